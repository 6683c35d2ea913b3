// What people look at first: tables, and rows that differ. Long answers come in pages.
#include "pipeline/cli/commands.h"
#include "pipeline/cli/render.h"

namespace lockstep {
namespace {

constexpr const char* kGroup = "Workspace";
// A screen is there at once, also where a store asks its server about each table.
constexpr int64_t kFirstTables = 50, kTablesAtOnce = 500;
// Each page of a difference is looked for from the beginning, so they grow.
constexpr int64_t kFirstRows = 1000, kMostRows = 100'000;
constexpr int64_t kRowsOfJson = 100;

struct Tables {
  bool count = false;
  int64_t limit = INT64_MAX;

  Json page(Context& context, const std::string& after, int64_t most) const {
    std::map<std::string, std::string> query = {{"limit", std::to_string(most)}};
    if (!after.empty()) query["after"] = after;
    if (count) query["count"] = "1";
    return context.get({"v1", "tables"}, query);
  }

  // Calls `show` with one page after the other until it gives false.
  template <class Show>
  void pages(Context& context, const Show& show) const {
    std::string after;
    int64_t most = kFirstTables;
    for (int64_t left = limit; left > 0; most = kTablesAtOnce) {
      const int64_t asked = std::min(left, most);
      const Json found = page(context, after, asked);
      const auto size = static_cast<int64_t>(found.size());
      if (!show(found) || size < asked) return;
      left -= size;
      const Doc last(found.back());
      after = last.text("source") + "/" + last.json().at("table").get<std::string>();
    }
  }

  int run(Context& context) const {
    if (context.json) {
      Json all = Json::array();
      pages(context, [&](const Json& found) {
        if (all.empty()) {
          all = found;
        } else {
          all.insert(all.end(), found.begin(), found.end());
        }
        return true;
      });
      context.print_json(all);
      return kExitDone;
    }
    context.page([&](std::ostream& out) {
      bool first = true;
      pages(context, [&](const Json& found) {
        out << render_tables(Doc(found), context.style(), first) << std::flush;
        first = false;
        return out.good();
      });
    });
    return kExitDone;
  }
};

struct Difference {
  std::string table, from, to;
  std::vector<std::string> slices;
  int64_t limit = -1;  // -1: all rows, and as JSON the first hundred

  // One --slice may hold several conditions. Of several, each is one, whatever its value holds.
  std::map<std::string, std::string> query() const {
    std::map<std::string, std::string> query = {{"table", table}, {"from", from}, {"to", to}};
    if (slices.size() == 1) query["slice"] = slices[0];
    if (slices.size() < 2) return query;
    Json where = Json::object();
    for (const std::string& slice : slices) {
      const size_t equals = slice.find('=');
      if (equals == slice.npos || equals == 0) {
        throw Error(ErrorCode::kInvalid, "not a slice: " + slice, "write it as COLUMN=VALUE");
      }
      where[slice.substr(0, equals)] = slice.substr(equals + 1);
    }
    query["where"] = where.dump(-1, ' ', false, Json::error_handler_t::replace);
    return query;
  }

  Json page(Context& context, std::map<std::string, std::string> query, int64_t skip,
            int64_t most) const {
    query["limit"] = std::to_string(most);
    if (skip > 0) query["skip"] = std::to_string(skip);
    return context.get({"v1", "diff"}, query);
  }

  int run(Context& context) const {
    const auto asked = query();
    if (context.json) {
      context.print_json(page(context, asked, 0, limit < 0 ? kRowsOfJson : limit));
      return kExitDone;
    }
    const int64_t all = limit < 0 ? INT64_MAX : limit;
    int64_t most = std::min(all, kFirstRows);
    // What is wrong is said before there is a pager.
    Json found = page(context, asked, 0, most);
    context.page([&](std::ostream& out) {
      out << render_diff(Doc(found), context.style()) << std::flush;
      int64_t shown = static_cast<int64_t>(found["rows"].size());
      while (out.good() && found["more"] == true && !found["rows"].empty() && shown < all) {
        most = std::min({all - shown, kMostRows, most * 10});
        // By their ids: the names may come to mean other commits meanwhile.
        auto rest = asked;
        rest["from"] = found["from"];
        rest["to"] = found["to"];
        found = page(context, rest, shown, most);
        out << render_diff(Doc(found), context.style(), false) << std::flush;
        shown += static_cast<int64_t>(found["rows"].size());
      }
      if (found["more"] == true) out << "… and more (--limit)\n";
    });
    return kExitDone;
  }
};

void add_tables(Commands& commands) {
  auto* tables = commands.add("tables", kGroup, "The tables of the sources",
                              "lockstep tables\nlockstep tables --count --limit 20");
  auto options = std::make_shared<Tables>();
  tables->add_flag("--count", options->count,
                   "Count the rows of tables whose number is not known, by reading them");
  tables->add_option("--limit", options->limit, "At most so many tables")
      ->type_name("N")
      ->check(CLI::Range(int64_t{0}, INT64_MAX));
  commands.on(tables, [options](Context& context) { return options->run(context); });
}

void add_diff(Commands& commands) {
  auto* diff =
      commands.add("diff", kGroup, "Rows of a table that differ between two commits",
                   "lockstep diff utterances 1f3c9ab main\n"
                   "lockstep diff utterances HEAD~1 HEAD --slice client=client-3\n"
                   "lockstep diff utterances HEAD~1 HEAD --slice client=a,b --slice lang=en");
  auto options = std::make_shared<Difference>();
  diff->add_option("TABLE", options->table, "[SOURCE/]TABLE")->required();
  diff->add_option("A", options->from, "Commit, branch or tag")->required();
  diff->add_option("B", options->to, "Commit, branch or tag")->required();
  diff->add_option("--slice", options->slices, "Only such rows; given again: and such")
      ->type_name("COLUMN=VALUE")
      ->expected(1)
      ->take_all();
  diff->add_option("--limit", options->limit, "At most so many rows (all; with --json 100)")
      ->type_name("N")
      ->check(CLI::Range(int64_t{0}, INT64_MAX));
  commands.on(diff, [options](Context& context) { return options->run(context); });
}

}  // namespace

void add_table_commands(Commands& commands) {
  add_tables(commands);
  add_diff(commands);
}

}  // namespace lockstep
