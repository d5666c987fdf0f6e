#include "record/journal.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "record/json_line.h"
#include "record/testing.h"

namespace fakequant {
namespace {

using namespace record_testing;

const std::string kHeader = "{\"fakequant_journal\": 1}\n";
const std::string kThree =
    kHeader + "{\"kind\":\"a\",\"x\":1.5}\n{\"kind\":\"b\",\"s\":\"é\"}\n{\"kind\":\"c\"}\n";

Json record_of(int number) {
  return Json{{"kind", "test"}, {"number", number}};
}

std::string text_of(const std::vector<Record>& records) {
  std::string result;
  for (const Record& record : records)
    result += std::to_string(record.line) + " " + record.fields.dump() + "\n";
  return result;
}

std::string opening_error(const std::string& path) {
  std::string before = read_file(path);
  std::string of_writer = error_of([&] { Journal(path, kRunJournal, {}); });
  EXPECT_EQ(error_of([&] { read_journal(path, kRunJournal); }), of_writer);
  EXPECT_EQ(read_file(path), before);
  return of_writer;
}

TEST(Journal, MakesAFileThatTellsWhatItIs) {
  TestFolder folder;
  Journal journal(folder.at("j"), kRunJournal, {});
  EXPECT_EQ(read_file(folder.at("j")), kHeader);
  EXPECT_FALSE(journal.was_repaired());
  Journal log(folder.at("l"), kRunLog, {});
  EXPECT_EQ(read_file(folder.at("l")), "{\"fakequant_log\": 1}\n");
}

TEST(Journal, AppendsOneLineARecordAndReadsThemBack) {
  TestFolder folder;
  {
    Journal journal(folder.at("j"), kRunJournal, {});
    EXPECT_EQ(journal.append(record_of(1)).line, 2u);
    EXPECT_EQ(read_file(folder.at("j")), kHeader + "{\"kind\":\"test\",\"number\":1}\n");
  }
  Journal journal(folder.at("j"), kRunJournal, {});
  EXPECT_EQ(journal.append(record_of(2)).line, 3u);
  EXPECT_EQ(journal.records().size(), 2u);
  EXPECT_EQ(text_of(journal.records()), text_of(read_journal(folder.at("j"), kRunJournal)));
  EXPECT_FALSE(journal.was_repaired());
}

TEST(Journal, GivesBackRecordsAsTheyWillBeRead) {
  TestFolder folder;
  Journal journal(folder.at("j"), kRunJournal, {});
  const Record& record = journal.append(Json{{"s", "\xff"}, {"x", std::numeric_limits<double>::infinity()}});
  EXPECT_EQ(record.fields.dump(), "{\"s\":\"\xEF\xBF\xBD\",\"x\":null}");
}

TEST(Journal, RefusesRecordsThatCouldNotBeRead) {
  TestFolder folder;
  Journal journal(folder.at("j"), kRunJournal, {});
  Json deep = Json::object();
  for (size_t i = 0; i < kMostNesting; ++i) deep = Json{{"a", deep}};
  EXPECT_NE(error_of([&] { journal.append(deep); }).find("j:2: found JSON nested deeper than"),
            std::string::npos);
  EXPECT_NE(error_of([&] { journal.append(Json::array()); }).find("wanted a JSON object"), std::string::npos);
  EXPECT_EQ(journal.append(record_of(1)).line, 2u);
}

TEST(Journal, EveryPrefixIsReadAndRepaired) {
  TestFolder folder;
  std::vector<Record> all = read_journal(folder.write("whole", kThree), kRunJournal);
  ASSERT_EQ(all.size(), 3u);
  for (size_t size = 0; size <= kThree.size(); ++size) {
    std::string prefix = kThree.substr(0, size);
    std::string whole_lines = prefix.substr(0, prefix.rfind('\n') + 1);
    size_t record_count = std::max<size_t>(std::count(prefix.begin(), prefix.end(), '\n'), 1) - 1;
    std::string wanted = text_of({all.begin(), all.begin() + record_count});
    std::string path = folder.write("j", prefix);

    EXPECT_EQ(text_of(read_journal(path, kRunJournal)), wanted) << size;
    EXPECT_EQ(read_file(path), prefix) << size;
    {
      Journal journal(path, kRunJournal, {});
      EXPECT_EQ(text_of(journal.records()), wanted) << size;
      EXPECT_EQ(journal.was_repaired(), prefix != whole_lines) << size;
      EXPECT_EQ(read_file(path), whole_lines.empty() ? kHeader : whole_lines) << size;
      journal.append(record_of(9));
    }
    std::vector<Record> again = read_journal(path, kRunJournal);
    ASSERT_EQ(again.size(), record_count + 1) << size;
    EXPECT_EQ(again.back().fields, record_of(9)) << size;
    EXPECT_EQ(again.back().line, record_count + 2) << size;
  }
}

// Either an Error that leaves the file as it was, or a journal that takes another record.
TEST(Journal, EveryChangedByteIsAnErrorOrAJournal) {
  TestFolder folder;
  size_t refused = 0, opened = 0;
  for (size_t place = 0; place < kThree.size(); ++place) {
    for (int change = 1; change < 256; change += change < 8 ? 1 : 31) {
      std::string text = kThree;
      text[place] = static_cast<char>(text[place] ^ change);
      std::string path = folder.write("j", text);
      try {
        size_t count = read_journal(path, kRunJournal).size();
        Journal journal(path, kRunJournal, {});
        EXPECT_EQ(journal.records().size(), count);
        EXPECT_EQ(read_file(path).size(), text.rfind('\n') + 1);
        ++opened;
      } catch (const Error& error) {
        EXPECT_TRUE(std::string_view(error.what()).starts_with(path + ":")) << error.what();
        EXPECT_EQ(read_file(path), text);
        ++refused;
      }
      EXPECT_TRUE(place >= kHeader.size() || refused > opened) << place;
    }
  }
  EXPECT_GT(opened, 100u);
  EXPECT_GT(refused, 500u);
}

TEST(Journal, RefusesOtherVersionsAndOtherFiles) {
  TestFolder folder;
  std::string path = folder.write("j", "{\"fakequant_journal\": 2}\n{\"kind\":\"new\"}\nhalf");
  EXPECT_EQ(opening_error(path),
            path +
                ":1: found version 2 of fakequant_journal, wanted 1, the only one that this program "
                "knows; it is left as it is");
  for (std::string first :
       {"{\"fakequant_log\": 1}", "{\"fakequant_journal\": \"1\"}", "{\"fakequant_journal\": 1.0}",
        "{\"fakequant_journal\": 1, \"x\": 2}", "{\"fakequant_journal\": true}", "{}", "", "notes"}) {
    folder.write("j", first + "\n");
    EXPECT_EQ(opening_error(path), path + ":1: found '" + first + "', wanted {\"fakequant_journal\": 1}");
  }
  folder.write("j", "someone's notes, in one line without an end");
  EXPECT_EQ(
      opening_error(path),
      path + ":1: found 'someone's notes, in one line without an end', wanted {\"fakequant_journal\": 1}");
  folder.write("j", std::string("\0\0\n", 3));
  EXPECT_EQ(opening_error(path), path + ":1: found '\\x00\\x00', wanted {\"fakequant_journal\": 1}");
}

// What a power failure can leave: the file is as long as it was to be, and the last of it was never written.
TEST(Journal, RemovesZerosAtTheEnd) {
  TestFolder folder;
  std::string path = folder.write("j", kThree + std::string(5000, '\0'));
  EXPECT_EQ(read_journal(path, kRunJournal).size(), 3u);
  EXPECT_TRUE(Journal(path, kRunJournal, {}).was_repaired());
  EXPECT_EQ(read_file(path), kThree);
}

TEST(Journal, RefusesALineInTheMiddleThatIsNoRecord) {
  TestFolder folder;
  std::string path = folder.write("j", kHeader + "{\"kind\":\"a\"}\n\n{\"kind\":\"b\"}\n");
  EXPECT_EQ(opening_error(path), path + ":3: found '', wanted a JSON object");
  folder.write("j", kHeader + "{\"kind\":\"a\"\n{\"kind\":\"b\"}\nhalf");
  EXPECT_EQ(opening_error(path), path + ":2: found no JSON at byte 12 of the line, wanted a JSON object");
}

TEST(Journal, RefusesWhatIsNoRegularFile) {
  TestFolder folder;
  EXPECT_EQ(error_of([&] { read_journal(folder.at("none"), kRunJournal); }),
            folder.at("none") + ": cannot be opened: No such file or directory");
  EXPECT_FALSE(std::filesystem::exists(folder.at("none")));
  EXPECT_EQ(error_of([&] { Journal(folder.at("none/j"), kRunJournal, {}); }),
            folder.at("none/j") + ": cannot be opened: No such file or directory");
  EXPECT_EQ(error_of([&] { Journal(folder.path(), kRunJournal, {}); }),
            folder.path() + ": cannot be opened: Is a directory");
  EXPECT_EQ(error_of([&] { Journal("/dev/full", kRunJournal, {}); }),
            "/dev/full: found a special file, wanted a regular file");
  ASSERT_EQ(mkfifo(folder.at("pipe").c_str(), 0600), 0);
  EXPECT_EQ(error_of([&] { read_journal(folder.at("pipe"), kRunJournal); }),
            folder.at("pipe") + ": found a special file, wanted a regular file");
}

TEST(Journal, RefusesWhatItMayNotWrite) {
  if (geteuid() == 0) GTEST_SKIP() << "root may write everything";
  TestFolder folder;
  std::string path = folder.write("j", kThree);
  chmod(path.c_str(), 0400);
  EXPECT_EQ(error_of([&] { Journal(path, kRunJournal, {}); }),
            path + ": cannot be opened: Permission denied");
  EXPECT_EQ(read_journal(path, kRunJournal).size(), 3u);
}

TEST(Journal, ReadsLongLinesAndRefusesEndlessOnes) {
  TestFolder folder;
  {
    Journal journal(folder.at("j"), kRunJournal, {});
    journal.append(Json{{"text", std::string(100'000'000, 'x')}});
  }
  EXPECT_EQ(
      read_journal(folder.at("j"), kRunJournal).at(0).fields["text"].get_ref<const std::string&>().size(),
      100'000'000u);
  std::string path = folder.write("sparse", kHeader);
  ASSERT_EQ(truncate(path.c_str(), off_t{1} << 40), 0);
  EXPECT_EQ(error_of([&] { Journal(path, kRunJournal, {}); }),
            path + ":2: found a line of more than 268,435,456 bytes, wanted a shorter one");
}

TEST(Journal, SeesThatItsFileWasRemovedOrWritten) {
  TestFolder folder;
  Journal journal(folder.at("j"), kRunJournal, {});
  journal.append(record_of(1));
  std::ofstream(folder.at("j"), std::ios::app) << "an editor's line\n";
  EXPECT_EQ(error_of([&] { journal.append(record_of(2)); }),
            folder.at("j") + ": found 69 bytes, wanted 52: another program changed it while it was written");
  std::filesystem::remove(folder.at("j"));
  EXPECT_EQ(error_of([&] { journal.append(record_of(2)); }),
            folder.at("j") + ": was removed while it was written");
}

// --- The disk full ------------------------------------------------------------------------------------------------

// Files of this process may not grow beyond `bytes`, as long as this lives.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : old_handler_(signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &old_);
    set(bytes);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &old_);
    signal(SIGXFSZ, old_handler_);
  }
  void set(rlim_t bytes) const {
    rlimit limit = old_;
    limit.rlim_cur = bytes;
    FQ_CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
  }

 private:
  rlimit old_;
  sighandler_t old_handler_;
};

TEST(JournalDiskFull, TakesBackTheLineWaitsAndTriesAgain) {
  TestFolder folder;
  std::string path = folder.write("j", kThree);
  FileSizeLimit limit(kThree.size() + 10);
  std::vector<std::string> problems, contents;
  Journal journal(path, kRunJournal, [&](const std::string& problem) {
    problems.push_back(problem);
    contents.push_back(read_file(path));
    if (problems.size() == 3) limit.set(kThree.size() + 100);
    return true;
  });
  journal.append(record_of(7));
  std::string wanted =
      path + ": cannot be written, the disk is full (File too large); the next line needs 27 B";
  EXPECT_EQ(problems, std::vector<std::string>(3, wanted));
  EXPECT_EQ(contents, std::vector<std::string>(3, kThree));
  EXPECT_EQ(read_file(path), kThree + "{\"kind\":\"test\",\"number\":7}\n");
}

TEST(JournalDiskFull, EndsWithTheRecordBeforeWhereNobodyWaits) {
  TestFolder folder;
  std::string path = folder.write("j", kThree);
  FileSizeLimit limit(kThree.size() + 10);
  for (const Journal::OnDiskFull& answer :
       {Journal::OnDiskFull(), Journal::OnDiskFull([](const std::string&) { return false; })}) {
    Journal journal(path, kRunJournal, answer);
    EXPECT_EQ(error_of([&] { journal.append(record_of(7)); }),
              path + ": cannot be written, the disk is full (File too large); the next line needs 27 B");
    EXPECT_EQ(read_file(path), kThree);
    EXPECT_EQ(journal.records().size(), 3u);
    limit.set(kThree.size() + 100);
    EXPECT_EQ(journal.append(record_of(8)).line, 5u);
    limit.set(kThree.size() + 10);
    folder.write("j", kThree);
  }
}

TEST(JournalDiskFull, LeavesNoHalfHeader) {
  TestFolder folder;
  FileSizeLimit limit(5);
  EXPECT_NE(error_of([&] { Journal(folder.at("j"), kRunJournal, {}); }).find("the disk is full"),
            std::string::npos);
  EXPECT_EQ(read_file(folder.at("j")), "");
  bool was_asked = false;
  Journal journal(folder.at("j"), kRunJournal, [&](const std::string&) {
    limit.set(1000);
    return !std::exchange(was_asked, true);
  });
  EXPECT_TRUE(was_asked);
  EXPECT_EQ(read_file(folder.at("j")), kHeader);
}

}  // namespace
}  // namespace fakequant
