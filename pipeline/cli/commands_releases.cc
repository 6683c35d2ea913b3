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
    bool override_pins = false;
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
  options->moving.add_to(rollback);
  commands.on(rollback, [options](Context& context) {
    return options->moving.post(context, {"v1", "release", "rollback"},
                                {{"to", options->to},
                                 {"at", options->at},
                                 {"channel", options->channel},
                                 {"override_pins", options->override_pins}},
                                render_release_rollback);
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
  auto* release = commands.add("release", "Releases",
                               "Releases: list, show, diff, rollback, rebuild, push, pull, verify",
                               "lockstep release list\nlockstep release show 51796c\n"
                               "lockstep release rollback --reason \"bad evening\"");
  release->require_subcommand(1);
  add_list(commands, release);
  add_show(commands, release);
  add_diff(commands, release);
  add_rollback(commands, release);
  add_rebuild(commands, release);
  add_push(commands, release);
  add_pull(commands, release);
  add_verify(commands, release);
}

}  // namespace lockstep
