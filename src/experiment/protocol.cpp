#include "experiment/protocol.h"

#include "base/error.h"
#include "base/text.h"

namespace fakequant {

namespace {

std::string line_of(const Json& message) {
  return message.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json json_of(const WorkerBegin& begin) {
  const ConfigOverrides& overrides = begin.overrides;
  Json broken = Json::array();
  for (const auto& [model, why] : begin.broken) broken.push_back({{"model", model}, {"why", why}});
  return {{"begin",
           {{"source", begin.source},
            {"path", begin.path},
            {"models", overrides.models},
            {"texts", overrides.texts},
            {"chunks", overrides.chunks ? Json(*overrides.chunks) : Json()},
            {"hashes", begin.hashes},
            {"threads", begin.threads},
            {"broken", std::move(broken)}}}};
}

Json json_of(const WorkerCheck& check) {
  return {{"check", check.model}};
}

Json json_of(const WorkerMeasure& measure) {
  return {{"measure", measure.index}, {"key", measure.key}};
}

Json json_of(const WorkerReady&) {
  return {{"ready", true}};
}

Json json_of(const WorkerProblems& problems) {
  return {{"problems", problems.texts}};
}

Json json_of(const WorkerProgress& progress) {
  return {{"progress", progress.share}, {"note", progress.note}, {"baseline", progress.baseline}};
}

Json json_of(const WorkerWarning& warning) {
  return {{"warning", warning.text}};
}

Json json_of(const WorkerResult& result) {
  return {{"result", result.result}};
}

Json json_of(const WorkerFailure& failure) {
  return {{"failure", failure.text}, {"baseline", failure.baseline}};
}

WorkerBegin begin_of(const Json& fields) {
  WorkerBegin begin;
  begin.source = fields.at("source").get<std::string>();
  begin.path = fields.at("path").get<std::string>();
  begin.overrides.models = fields.at("models").get<std::vector<std::string>>();
  begin.overrides.texts = fields.at("texts").get<std::vector<std::string>>();
  if (!fields.at("chunks").is_null()) begin.overrides.chunks = fields.at("chunks").get<size_t>();
  begin.hashes = fields.at("hashes").get<FileHashes>();
  begin.threads = fields.at("threads").get<int>();
  for (const Json& broken : fields.at("broken"))
    begin.broken[broken.at("model").get<size_t>()] = broken.at("why").get<std::string>();
  return begin;
}

WorkerRequest request_of(const Json& message) {
  if (message.contains("begin")) return begin_of(message.at("begin"));
  if (message.contains("check")) return WorkerCheck{message.at("check").get<size_t>()};
  return WorkerMeasure{message.at("measure").get<size_t>(), message.at("key").get<std::string>()};
}

WorkerAnswer answer_of(Json& message) {
  if (message.contains("ready")) return WorkerReady{};
  if (message.contains("problems"))
    return WorkerProblems{message["problems"].get<std::vector<std::string>>()};
  if (message.contains("warning")) return WorkerWarning{message["warning"].get<std::string>()};
  if (message.contains("result")) return WorkerResult{std::move(message["result"])};
  bool baseline = message.at("baseline").get<bool>();
  if (message.contains("failure")) return WorkerFailure{message["failure"].get<std::string>(), baseline};
  return WorkerProgress{message.at("progress").get<double>(), message.at("note").get<std::string>(),
                        baseline};
}

template <typename Function>
auto parsed(std::string_view line, const char* what, const Function& function) {
  try {
    Json message = Json::parse(line);
    return function(message);
  } catch (const Json::exception&) {
    throw Error("found '{}', wanted {}", excerpt(line), what);
  }
}

}  // namespace

std::string to_line(const WorkerRequest& request) {
  return std::visit([](const auto& message) { return line_of(json_of(message)); }, request);
}

std::string to_line(const WorkerAnswer& answer) {
  return std::visit([](const auto& message) { return line_of(json_of(message)); }, answer);
}

WorkerRequest parse_request(std::string_view line) {
  return parsed(line, "a request of a run to its worker", request_of);
}

WorkerAnswer parse_answer(std::string_view line) {
  return parsed(line, "an answer of a worker", answer_of);
}

}  // namespace fakequant
