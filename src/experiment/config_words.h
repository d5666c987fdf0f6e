#pragma once
// Which texts the keys of an experiment file take: checks, and lists of words. Knows no keys.

#include <string>
#include <string_view>
#include <vector>

namespace fakequant {

// Each throws Error for a text that means nothing, one sentence that says what is wanted; those of sizes, times and empty texts name the
// key.
void check_tensors(std::string_view name, const std::string& text);
void check_layers(std::string_view name, const std::string& text);
void check_format(std::string_view name, const std::string& text);
void check_control(std::string_view name, const std::string& text);
void check_condition(std::string_view name, const std::string& text);
void check_size(std::string_view name, const std::string& text);
void check_time(std::string_view name, const std::string& text);
void check_not_empty(std::string_view name, const std::string& text);

// The words that a key may be; those of flash attention are in engine/decode_options.h.
std::vector<std::string> cache_words();
std::vector<std::string> store_words();
std::vector<std::string> missing_layers_words();
std::vector<std::string> report_words();

}  // namespace fakequant
