// Single values of the two languages: each reader takes a node or says what it expected there.
// Knows nothing of the keys they stand under; `what` names the value in messages.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/core/workflow.h"
#include "pipeline/yaml/yaml.h"

namespace lockstep {

// One line of text, 1 to 4,096 bytes, without ${{ }}.
std::optional<std::string> read_text(const YamlNode& node, const std::string& what,
                                     Diagnostics& diagnostics);
// As written by people: [A-Za-z0-9][A-Za-z0-9._-]{0,127}. `~` comes only from encoding.
std::optional<std::string> read_name(const YamlNode& node, const std::string& what,
                                     Diagnostics& diagnostics);
bool check_name(std::string_view name, const Place& place, const std::string& what,
                Diagnostics& diagnostics);
// [A-Za-z_][A-Za-z0-9_-]*, at most 64 bytes: inputs, outputs, matrix variables.
bool check_word(std::string_view word, const Place& place, const std::string& what,
                Diagnostics& diagnostics);
// [A-Za-z_][A-Za-z0-9_]*, not LOCKSTEP_… and not CUDA_VISIBLE_DEVICES.
bool check_variable(std::string_view name, const Place& place, const std::string& what,
                    Diagnostics& diagnostics);
// A list of different texts, not empty; an empty one was reported.
std::vector<std::string> read_texts(const YamlNode& node, const std::string& what,
                                    Diagnostics& diagnostics);
// One of `words`.
std::optional<std::string> read_choice(const YamlNode& node, const std::string& what,
                                       const std::vector<std::string>& words,
                                       Diagnostics& diagnostics);
// Text, an integer, a number, true or false, as it is written.
std::optional<std::string> read_scalar(const YamlNode& node, const std::string& what,
                                       Diagnostics& diagnostics);
std::optional<int64_t> read_integer(const YamlNode& node, const std::string& what, int64_t min,
                                    int64_t max, Diagnostics& diagnostics);
std::optional<double> read_number(const YamlNode& node, const std::string& what,
                                  Diagnostics& diagnostics);
std::optional<bool> read_bool(const YamlNode& node, const std::string& what,
                              Diagnostics& diagnostics);
// "1GiB", "512MiB", "40GB": bytes.
std::optional<uint64_t> read_size(const YamlNode& node, const std::string& what,
                                  Diagnostics& diagnostics);
// "500ms", "30s", "10m", "6h", "1d": milliseconds, at most 366 days.
std::optional<int64_t> read_duration(const YamlNode& node, const std::string& what,
                                     Diagnostics& diagnostics);
// A path or glob below a folder: relative, '/' between parts, no empty part, "." or "..".
std::optional<std::string> read_path(const YamlNode& node, const std::string& what,
                                     Diagnostics& diagnostics);
bool check_path(std::string_view path, const Place& place, const std::string& what,
                Diagnostics& diagnostics);
bool valid_image_name(std::string_view name);
// An image's repository name: lower-case parts of the OCI distribution grammar.
std::optional<std::string> read_image_name(const YamlNode& node, const std::string& what,
                                           Diagnostics& diagnostics);

// [{cron: "0 3 * * *", timezone: Europe/Berlin}]; the zone left out is UTC.
std::vector<ScheduleSpec> read_schedules(const YamlNode& node, const std::string& what,
                                         Diagnostics& diagnostics);

// `what` must be `expected`, not a list.
void expected(const YamlNode& node, const std::string& what, std::string_view expected,
              Diagnostics& diagnostics);

}  // namespace lockstep
