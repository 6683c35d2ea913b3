// Schedules as both languages write them.
#include "pipeline/calendar/cron.h"
#include "workflows/language/fields.h"
#include "workflows/language/readers.h"

namespace lockstep {

std::vector<ScheduleSpec> read_schedules(const YamlNode& node, const std::string& what,
                                         Diagnostics& diagnostics) {
  std::vector<ScheduleSpec> out;
  if (!node.is_list() || node.items().empty()) {
    expected(node, what, "a list of schedules: [{cron: \"0 3 * * *\"}]", diagnostics);
    return out;
  }
  for (const YamlNode& item : node.items()) {
    Fields fields(item, "a schedule", diagnostics);
    ScheduleSpec spec{"", "UTC"};
    if (const YamlNode* cron = fields.need("cron", "five fields, as \"0 3 * * 1-5\"")) {
      spec.cron = read_text(*cron, fields.of("cron"), diagnostics).value_or("");
    }
    if (const YamlNode* zone = fields.take("timezone")) {
      spec.timezone = read_text(*zone, fields.of("timezone"), diagnostics).value_or("");
    }
    fields.finish();
    if (spec.cron.empty() || spec.timezone.empty()) continue;
    try {
      CronSchedule checked(spec.cron, spec.timezone);
      out.push_back(std::move(spec));
    } catch (const Error& error) {
      diagnostics.error(item.place(), error.message, error.hint);
    }
  }
  return out;
}

}  // namespace lockstep
