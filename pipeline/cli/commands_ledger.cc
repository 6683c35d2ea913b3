// Commands about what the registry records: models from elsewhere, notes, tags, search.
#include <filesystem>
#include <memory>

#include "pipeline/base/error.h"
#include "pipeline/base/text.h"
#include "pipeline/cli/commands.h"
#include "pipeline/cli/render.h"

namespace lockstep {
namespace {

// As an absolute path of this machine; `{model}` in it stays.
std::string absolute(const Context& context, const std::string& path) {
  return path.empty() ? path : (context.folder() / path).lexically_normal().string();
}

void add_adopt(Commands& commands) {
  struct Options {
    std::vector<std::string> models;
    bool all = false;
    std::string from;
    Moving moving;
  };
  auto* adopt = commands.add("adopt", "Models",
                             "Take models that exist already as the results of today's plan",
                             "lockstep adopt --all --from 'models/{model}.safetensors' --dry-run\n"
                             "lockstep adopt intent-client-3 --from models",
                             nullptr);
  auto options = std::make_shared<Options>();
  adopt->add_option("MODEL", options->models, "These models");
  adopt->add_flag("--all", options->all, "Every model of the plan that has a file");
  adopt
      ->add_option("--from", options->from,
                   "A path with {model} in it, a folder of such files, or a list (.json, .csv)")
      ->type_name("PLACE")
      ->required();
  options->moving.add_to(adopt);
  commands.on(adopt, [options](Context& context) {
    if (options->all != options->models.empty()) {
      throw Error(ErrorCode::kInvalid, "adopt takes models by name, or --all",
                  "lockstep adopt --all --from 'models/{model}.safetensors'");
    }
    return options->moving.post(
        context, {"v1", "adopt"},
        {{"models", options->models}, {"from", absolute(context, options->from)}}, render_adopted);
  });
}

// What a remark is about, of a `model` or of a `release`.
Json subject(bool model, const std::string& name) {
  if (!model) return {{"release", name}};
  ModelName wanted = read_model_name(name);
  Json body = {{"model", wanted.name}};
  if (wanted.version) body["version"] = *wanted.version;
  return body;
}

void add_note(Commands& commands, CLI::App* parent, bool model) {
  struct Options {
    std::string about, text;
  };
  auto* note = commands.add("note", "", "Leave a note, shown by `show`",
                            model ? "lockstep model note intent-client-3@2 \"ticket 812\""
                                  : "lockstep release note 51796c \"shown at the fair\"",
                            parent);
  auto options = std::make_shared<Options>();
  note->add_option(model ? "MODEL[@V]" : "TAG", options->about, "What it is about")->required();
  note->add_option("TEXT", options->text, "The note")->required();
  commands.on(note, [options, model](Context& context) {
    Json body = subject(model, options->about);
    body["text"] = options->text;
    return context.show(context.post({"v1", "notes"}, body), [&](const Doc& doc) {
      return render_remarks(doc, context.style(), false);
    });
  });
}

void add_tag(Commands& commands, CLI::App* parent, bool model) {
  struct Options {
    std::string about, tag;
    bool remove = false;
  };
  auto* tag = commands.add("tag", "", "Put a tag on it, or take it off",
                           model ? "lockstep model tag intent-client-3@2 audited=yes\n"
                                   "lockstep model tag intent-client-3@2 audited --remove"
                                 : "lockstep release tag 51796c audited=yes",
                           parent);
  auto options = std::make_shared<Options>();
  tag->add_option(model ? "MODEL[@V]" : "TAG", options->about, "What it is about")->required();
  tag->add_option("KEY", options->tag, "The tag: KEY=VALUE, or KEY alone")->required();
  tag->add_flag("--remove", options->remove, "Take it off; its history stays");
  commands.on(tag, [options, model](Context& context) {
    Json body = subject(model, options->about);
    const size_t equals = options->tag.find('=');
    if (equals == 0) {
      throw Error(ErrorCode::kInvalid, "`" + printable(options->tag) + "` has no key",
                  "a tag is KEY=VALUE, or KEY alone");
    }
    body["key"] = options->tag.substr(0, equals);
    if (equals != std::string::npos) body["value"] = options->tag.substr(equals + 1);
    body["remove"] = options->remove;
    return context.show(context.post({"v1", "tags"}, body), [&](const Doc& doc) {
      return render_remarks(doc, context.style(), false);
    });
  });
}

struct SearchOptions {
  std::map<std::string, std::string> texts;
  std::vector<std::string> metrics, tags;
  int64_t limit = 50;

  std::map<std::string, std::string> query() const {
    std::map<std::string, std::string> query;
    for (const auto& [name, text] : texts) {
      if (!text.empty()) query[name] = text;
    }
    const auto listed = [](const std::vector<std::string>& all) {
      return Json(all).dump(-1, ' ', false, Json::error_handler_t::replace);
    };
    if (!metrics.empty()) query["metric"] = listed(metrics);
    if (!tags.empty()) query["tag"] = listed(tags);
    query["limit"] = std::to_string(limit);
    return query;
  }
};

void add_search(Commands& commands, CLI::App* model) {
  static constexpr const char* kTexts[][3] = {
      {"name", "PATTERN", "Of models of such names (`intent-*`)"},
      {"hash", "PREFIX", "Whose bytes, fingerprint or code tree have a digest that begins so"},
      {"commit", "PREFIX", "Made at a commit that begins so"},
      {"committer", "TEXT", "With rows by somebody whose name or address has this in it"},
      {"since", "TIME", "Recorded then or later"},
      {"until", "TIME", "Recorded then or earlier"}};
  auto* search = commands.add("search", "", "Versions by what is recorded of them",
                              "lockstep model search --name 'intent-*' --metric 'accuracy>=0.9'\n"
                              "lockstep model search --committer ann --since 2026-03-01\n"
                              "lockstep model search --tag audited=yes --hash 1f3c9a",
                              model);
  auto options = std::make_shared<SearchOptions>();
  for (const auto& [name, type, help] : kTexts) {
    search->add_option("--" + std::string(name), options->texts[name], help)->type_name(type);
  }
  search->add_option("--metric", options->metrics, "With such a metric, may be repeated")
      ->type_name("NAME>=VALUE")
      ->take_all()
      ->allow_extra_args(false);
  search->add_option("--tag", options->tags, "With such a tag, may be repeated")
      ->type_name("KEY[=VALUE]")
      ->take_all()
      ->allow_extra_args(false);
  search->add_option("--limit", options->limit, "How many (50)")
      ->type_name("N")
      ->check(CLI::Range(1, 1'000'000));
  commands.on(search, [options](Context& context) {
    return context.show(context.get({"v1", "versions"}, options->query()),
                        [&](const Doc& doc) { return render_versions(doc, context.style()); });
  });
}

void add_diff(Commands& commands, CLI::App* model) {
  struct Options {
    std::string a, b, c;
    int64_t limit = 10;
  };
  auto* diff =
      commands.add("diff", "", "Two versions side by side: rows, code, parameters, metrics",
                   "lockstep model diff intent-client-3@1 intent-client-3@2\n"
                   "lockstep model diff intent-client-3 1 2 --limit 50",
                   model);
  auto options = std::make_shared<Options>();
  diff->add_option("A", options->a, "MODEL@V, or a model")->required();
  diff->add_option("B", options->b, "MODEL@V, or a version of the model")->required();
  diff->add_option("C", options->c, "Behind a model and a version: the other version");
  diff->add_option("--limit", options->limit, "At most so many rows of each input (10)")
      ->type_name("N")
      ->check(CLI::Range(0, 10'000));
  commands.on(diff, [options](Context& context) {
    const Options& o = *options;
    std::map<std::string, std::string> query = {{"a", o.a}, {"b", o.b}};
    if (!o.c.empty()) query = {{"a", o.a + "@" + o.b}, {"b", o.a + "@" + o.c}};
    query["limit"] = std::to_string(o.limit);
    return context.show(context.get({"v1", "versions", "diff"}, query),
                        [&](const Doc& doc) { return render_version_diff(doc, context.style()); });
  });
}

void add_import(Commands& commands, CLI::App* release) {
  struct Options {
    std::string from, style, models, channel;
    Moving moving;
  };
  auto* import = commands.add(
      "import", "", "Take in a ledger that was begun elsewhere: releases, versions, history",
      "lockstep release import ledger.json --dry-run\n"
      "lockstep release import manifests --models 'old/{model}-{version}.safetensors'",
      release);
  auto options = std::make_shared<Options>();
  import
      ->add_option("PLACE", options->from,
                   "A ledger (.json), or a folder of manifests TAG.json with a file `history`")
      ->required();
  import
      ->add_option("--style", options->style,
                   "How manifests are written; without it, as their tags say")
      ->check(CLI::IsMember({"canonical", "python-json", "python-json-sorted"}));
  import
      ->add_option(
          "--models", options->models,
          "Files of the versions: a path with {model} and {version} in it, a folder, or a list")
      ->type_name("PLACE");
  import->add_option("--channel", options->channel, "Of what names no channel itself");
  options->moving.add_to(import);
  commands.on(import, [options](Context& context) {
    return options->moving.post(context, {"v1", "release", "import"},
                                {{"from", absolute(context, options->from)},
                                 {"style", options->style},
                                 {"models_from", absolute(context, options->models)},
                                 {"channel", options->channel}},
                                render_imported);
  });
}

void add_keep(Commands& commands, CLI::App* release) {
  struct Options {
    std::string tag;
    bool remove = false;
    Moving moving;
  };
  auto* keep = commands.add("keep", "", "Keep a release for good: nothing of it is collected",
                            "lockstep release keep 51796c --reason \"audit of 2026\"\n"
                            "lockstep release keep 51796c --remove",
                            release);
  auto options = std::make_shared<Options>();
  keep->add_option("TAG", options->tag, "A tag, or how it begins")->required();
  keep->add_flag("--remove", options->remove, "Keep it no longer than others");
  options->moving.add_to(keep);
  commands.on(keep, [options](Context& context) {
    return options->moving.post(context, {"v1", "release", "keep"},
                                {{"which", options->tag}, {"remove", options->remove}},
                                render_kept);
  });
}

}  // namespace

void add_ledger_commands(Commands& commands) {
  CLI::App* model = commands.root().get_subcommand("model");
  CLI::App* release = commands.root().get_subcommand("release");
  add_adopt(commands);
  add_note(commands, model, true);
  add_tag(commands, model, true);
  add_search(commands, model);
  add_diff(commands, model);
  add_note(commands, release, false);
  add_tag(commands, release, false);
  add_keep(commands, release);
  add_import(commands, release);
}

}  // namespace lockstep
