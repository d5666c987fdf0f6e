#pragma once
// What sentences call the settings of an evaluation: options on a command line, keys in a file. Knows no values.

namespace fakequant {

// The defaults are the options of `evaluate`, which are llama.cpp's. Each stands before a value ("-c 512") or for the
// setting.
struct SettingNames {
  const char* text = "-f";
  const char* context = "-c";
  const char* batch = "-b";
  const char* chunks = "--chunks";
  const char* prompts = "--prompts";
  const char* logits_memory = "--logits-memory";
  const char* smaller_caches = "-ctk q8_0 -ctv q8_0";  // what asks for caches that take less memory
  const char* store = "--store";
};

}  // namespace fakequant
