// Commands about releases.
#include <fmt/format.h>

#include <memory>

#include "pipeline/cli/commands.h"
#include "pipeline/cli/render.h"
#include "pipeline/cli/text.h"

namespace lockstep {
namespace {

void add_list(Commands& commands, CLI::App* release) {
  auto* list = commands.add("list", "", "Releases, newest first", "lockstep release list", release);
  auto channel = std::make_shared<std::string>();
  list->add_option("--channel", *channel, "Of this channel only");
  commands.on(list, [channel](Context& context) {
    std::map<std::string, std::string> query;
    if (!channel->empty()) query["channel"] = *channel;
    return context.show(context.get({"v1", "releases"}, query),
                        [&](const Doc& doc) { return render_releases(doc, context.style()); });
  });
}

void add_show(Commands& commands, CLI::App* release) {
  struct Options {
    std::string tag, at, channel;
  };
  auto* show = commands.add("show", "", "One release with every hash; default: what is live",
                            "lockstep release show\nlockstep release show 51796c\n"
                            "lockstep release show --at \"2026-03-03 14:00\"",
                            release);
  auto options = std::make_shared<Options>();
  auto* tag = show->add_option("TAG", options->tag, "A tag, or how it begins");
  show->add_option("--at", options->at, "What was live then (UTC unless it says otherwise)")
      ->type_name("TIME")
      ->excludes(tag);
  show->add_option("--channel", options->channel, "Of this channel");
  commands.on(show, [options](Context& context) {
    std::map<std::string, std::string> query;
    if (!options->tag.empty()) query["which"] = options->tag;
    if (!options->at.empty()) query["at"] = options->at;
    if (!options->channel.empty()) query["channel"] = options->channel;
    return context.show(context.get({"v1", "release"}, query),
                        [&](const Doc& doc) { return render_release(doc, context.style()); });
  });
}

void add_diff(Commands& commands, CLI::App* release) {
  auto* diff = commands.add("diff", "", "What moved between two releases",
                            "lockstep release diff 51796c 1da281", release);
  auto a = std::make_shared<std::string>(), b = std::make_shared<std::string>();
  diff->add_option("A", *a, "A tag, or how it begins")->required();
  diff->add_option("B", *b, "A tag, or how it begins")->required();
  commands.on(diff, [a, b](Context& context) {
    return context.show(context.get({"v1", "release", "diff"}, {{"a", *a}, {"b", *b}}),
                        [&](const Doc& doc) { return render_release_diff(doc, context.style()); });
  });
}

void add_rollback(Commands& commands, CLI::App* release) {
  struct Options {
    std::string to, at, channel;
    bool override_pins = false, accept = false;
    Moving moving;
  };
  auto* rollback = commands.add("rollback", "", "Point a channel at an earlier release",
                                "lockstep release rollback --reason \"bad evening\"\n"
                                "lockstep release rollback --to 51796c --dry-run",
                                release);
  auto options = std::make_shared<Options>();
  auto* to = rollback->add_option("--to", options->to, "To this tag")->type_name("TAG");
  rollback->add_option("--at", options->at, "To what was live then")
      ->type_name("TIME")
      ->excludes(to);
  rollback->add_option("--channel", options->channel, "This channel");
  rollback->add_flag("--override-pins", options->override_pins, "Even where models are pinned");
  rollback->add_flag("--accept-expectations", options->accept,
                     "Even where rows come out otherwise that must come out so");
  options->moving.add_to(rollback);
  commands.on(rollback, [options](Context& context) {
    return options->moving.post(context, {"v1", "release", "rollback"},
                                {{"to", options->to},
                                 {"at", options->at},
                                 {"channel", options->channel},
                                 {"override_pins", options->override_pins},
                                 {"accept_expectations", options->accept}},
                                render_release_rollback);
  });
}

void add_promote(Commands& commands, CLI::App* release) {
  struct Options {
    std::string from, to;
    Moving moving;
  };
  auto* promote =
      commands.add("promote", "", "Give a channel exactly the versions of another one's release",
                   "lockstep release promote staging production --reason \"a quiet week\"\n"
                   "lockstep release promote champion production --dry-run --reason look",
                   release);
  auto options = std::make_shared<Options>();
  promote->add_option("FROM", options->from, "A channel, a release's tag, or `champion`")
      ->required();
  promote->add_option("TO", options->to, "The channel that gets them (`promote: manual`)")
      ->required();
  options->moving.add_to(promote, true);
  commands.on(promote, [options](Context& context) {
    return options->moving.post(context, {"v1", "release", "promote"},
                                {{"from", options->from}, {"to", options->to}},
                                render_release_promotion);
  });
}

int print_changelog(Context& context, const std::map<std::string, std::string>& query,
                    bool markdown) {
  Json document = context.get({"v1", "release", "changelog"}, query);
  return context.show(document, [&](const Doc& doc) {
    return markdown ? markdown_changelog(doc) : render_changelog(doc, context.style());
  });
}

void add_changelog(Commands& commands, CLI::App* release) {
  struct Options {
    std::string a, b, channel;
    bool markdown = false;
  };
  auto* log = commands.add("changelog", "",
                           "Which models changed, why, and how their metrics moved; default: what "
                           "is live against what was before it",
                           "lockstep release changelog\nlockstep release changelog 51796c 1da281\n"
                           "lockstep release changelog --markdown >CHANGES.md",
                           release);
  auto options = std::make_shared<Options>();
  log->add_option("A", options->a, "From this release; alone: what came with it");
  log->add_option("B", options->b, "To this one");
  log->add_option("--channel", options->channel, "Of this channel");
  log->add_flag("--markdown", options->markdown, "As Markdown");
  commands.on(log, [options](Context& context) {
    std::map<std::string, std::string> query;
    const bool alone = options->b.empty();
    if (!options->a.empty()) query[alone ? "b" : "a"] = options->a;
    if (!alone) query["b"] = options->b;
    if (!options->channel.empty()) query["channel"] = options->channel;
    return print_changelog(context, query, options->markdown);
  });
}

void add_provenance(Commands& commands, CLI::App* release) {
  auto* provenance = commands.add(
      "provenance", "", "What a release was made of, as an in-toto statement with SLSA provenance",
      "lockstep release provenance 51796c >provenance.json\n"
      "lockstep release provenance --envelope >provenance.dsse.json",
      release);
  auto tag = std::make_shared<std::string>();
  auto envelope = std::make_shared<bool>(false);
  provenance->add_option("TAG", *tag, "A tag, or how it begins; default: what is live");
  provenance->add_flag("--envelope", *envelope, "Signed, as a DSSE envelope");
  commands.on(provenance, [tag, envelope](Context& context) {
    std::map<std::string, std::string> query;
    if (!tag->empty()) query["which"] = *tag;
    Json document = context.get({"v1", "release", "provenance"}, query);
    if (*envelope && document.value("envelope", Json()).is_null()) {
      throw Error(ErrorCode::kNotFound, "no key signs here",
                  "`signing: {key: …}` in lockstep.yaml names one");
    }
    return context.show(document, [&](const Doc& doc) {
      return canonical_json(doc.part(*envelope ? "envelope" : "statement").json()) + "\n";
    });
  });
}

void add_sign(Commands& commands, CLI::App* release) {
  struct Options {
    std::string tag;
    Moving moving;
  };
  auto* sign =
      commands.add("sign", "", "Sign a release that was cut before there was a key",
                   "lockstep release sign 51796c --reason \"kept for the audit\"", release);
  auto options = std::make_shared<Options>();
  sign->add_option("TAG", options->tag, "A tag, or how it begins; default: what is live");
  options->moving.add_to(sign);
  commands.on(sign, [options](Context& context) {
    return options->moving.post(context, {"v1", "release", "sign"}, {{"which", options->tag}},
                                render_release_sign);
  });
}

void add_rebuild(Commands& commands, CLI::App* release) {
  struct Options {
    std::string channel;
    Moving moving;
  };
  auto* rebuild = commands.add("rebuild", "", "The same models on another base image or code",
                               "lockstep release rebuild --reason \"base image of May\"", release);
  auto options = std::make_shared<Options>();
  rebuild->add_option("--channel", options->channel, "This channel");
  options->moving.add_to(rebuild, true);
  commands.on(rebuild, [options](Context& context) {
    return options->moving.post(context, {"v1", "release", "rebuild"},
                                {{"channel", options->channel}}, render_release_rebuild);
  });
}

void add_push(Commands& commands, CLI::App* release) {
  struct Options {
    std::string tag;
    Moving moving;
  };
  auto* push = commands.add("push", "", "Push a release to its registry; default: what is live",
                            "lockstep release push", release);
  auto options = std::make_shared<Options>();
  push->add_option("TAG", options->tag, "A tag, or how it begins");
  options->moving.add_to(push);
  commands.on(push, [options](Context& context) {
    return options->moving.post(context, {"v1", "release", "push"}, {{"which", options->tag}},
                                render_release_push);
  });
}

std::string render_pull(const Doc& pulled, const Style& style) {
  std::string out = transcript_line(
      style, "release", pulled.text("tag"),
      fmt::format("{} models, every digest compared", pulled.list("models").size()));
  return out +
         transcript_line(style, "in", pulled.text("to"),
                         fmt::format("{} files, {}", pulled.number("files"),
                                     bytes_text(static_cast<uint64_t>(pulled.number("bytes")))));
}

void add_pull(Commands& commands, CLI::App* release) {
  struct Options {
    std::string from, to, ca_file;
    bool plain_http = false;
  };
  auto* pull =
      commands.add("pull", "", "Bring a release's models from a registry, and compare them",
                   "lockstep release pull registry.example.com/team/intents:production "
                   "--to models",
                   release);
  auto options = std::make_shared<Options>();
  pull->add_option("PLACE", options->from,
                   "HOST[:PORT]/REPOSITORY[:TAG|@DIGEST]; default tag: "
                   "production")
      ->required();
  pull->add_option("--to", options->to, "A folder that is not there yet, or empty")
      ->type_name("DIR")
      ->required();
  pull->add_option("--ca-file", options->ca_file, "Certificates to trust (PEM)")->type_name("FILE");
  pull->add_flag("--plain-http", options->plain_http, "Without TLS; always so on this machine");
  commands.on(pull, [options](Context& context) {
    const CliEnvironment& environment = context.environment();
    PullOptions wanted;
    wanted.from = options->from;
    wanted.to = (environment.folder / options->to).lexically_normal();
    if (!options->ca_file.empty()) wanted.ca_file = environment.folder / options->ca_file;
    wanted.plain_http = options->plain_http;
    Json pulled = environment.pull(wanted);
    return context.show(pulled, [&](const Doc& doc) { return render_pull(doc, context.style()); });
  });
}

void add_verify(Commands& commands, CLI::App* release) {
  auto* verify = commands.add("verify", "", "Read every byte of a release back and compare",
                              "lockstep release verify 51796c", release);
  auto tag = std::make_shared<std::string>();
  verify->add_option("TAG", *tag, "A tag, or how it begins; default: what is live");
  commands.on(verify, [tag](Context& context) {
    Json document = context.post({"v1", "release", "verify"}, {{"which", *tag}});
    return context.show(
        document, [&](const Doc& doc) { return render_release_verify(doc, context.style()); },
        Doc(document).flag("ok") ? kExitDone : kExitFailed);
  });
}

}  // namespace

void add_release_commands(Commands& commands) {
  auto* release =
      commands.add("release", "Releases",
                   "Releases: list, show, diff, changelog, promote, rollback, rebuild, push, "
                   "pull, verify, sign, provenance",
                   "lockstep release list\nlockstep release show 51796c\n"
                   "lockstep release rollback --reason \"bad evening\"");
  release->require_subcommand(1);
  add_list(commands, release);
  add_show(commands, release);
  add_diff(commands, release);
  add_rollback(commands, release);
  add_promote(commands, release);
  add_changelog(commands, release);
  add_rebuild(commands, release);
  add_push(commands, release);
  add_pull(commands, release);
  add_verify(commands, release);
  add_sign(commands, release);
  add_provenance(commands, release);
}

}  // namespace lockstep
