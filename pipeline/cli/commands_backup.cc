// Commands that keep a workspace safe: backup, restore.
#include <fmt/format.h>

#include <memory>

#include "pipeline/cli/commands.h"
#include "pipeline/cli/render.h"
#include "pipeline/cli/text.h"

namespace lockstep {
namespace {

constexpr const char* kGroup = "Workspace";

std::string size_text(int64_t bytes) {
  return bytes_text(static_cast<uint64_t>(bytes));
}

// One line that redraws itself on a terminal; elsewhere nothing, since the end is said anyway.
class BytesDone {
 public:
  BytesDone(Context& context, std::string what) : context_(context), what_(std::move(what)) {}
  ~BytesDone() {
    if (drawn_) context_.err() << "\r\x1b[K" << std::flush;
  }
  void draw(int64_t done, int64_t bytes) {
    constexpr int64_t kPause_ms = 200;
    if (!context_.environment().terminal.err || context_.now_ms() - drawn_ms_ < kPause_ms) return;
    drawn_ms_ = context_.now_ms();
    drawn_ = true;
    context_.err() << "\r" << what_ << "  " << size_text(done)
                   << (bytes > 0 ? " of " + size_text(bytes) : "") << "\x1b[K" << std::flush;
  }

 private:
  Context& context_;
  std::string what_;
  int64_t drawn_ms_ = 0;
  bool drawn_ = false;
};

std::string render_backup(const Doc& backup, const Style& style) {
  std::string out = transcript_line(style, "backup", backup.text("file"),
                                    size_text(backup.number("size")) + ", " +
                                        thousands(backup.number("artifacts")) + " artifacts");
  for (const std::string& digest : backup.texts("missing")) {
    out += transcript_line(style, style.yellow("missing"), "artifact " + digest.substr(0, 12));
  }
  return out;
}

std::string render_verify(const Doc& found, const Style& style) {
  std::string out = transcript_line(
      style, found.flag("ok") ? "sound" : style.red("damaged"), found.text("file"),
      "of " + when(found.text("created")) + ", " + size_text(found.number("bytes")));
  out += transcript_line(style, "holds",
                         fmt::format("{} models, {} releases, {} runs", found.number("models"),
                                     found.number("releases"), found.number("runs")));
  for (const std::string& problem : found.texts("problems")) {
    out += transcript_line(style, style.red("wrong"), problem);
  }
  for (const Doc& one : found.list("missing")) {
    out += transcript_line(style, style.yellow("missing"), one.text("of"),
                           one.text("sha256").substr(0, 12));
  }
  return out;
}

std::string render_restore(const Doc& restored, const Style& style) {
  std::string out = transcript_line(style, "restored", restored.text("workspace"),
                                    "as it was " + when(restored.text("created")));
  out += transcript_line(
      style, "numbers",
      "new versions and runs are above " + std::to_string(restored.number("above")));
  if (restored.has("kept")) out += transcript_line(style, "kept", restored.text("kept"));
  for (const std::string& note : restored.texts("notes")) {
    out += transcript_line(style, style.yellow("note"), note);
  }
  for (const std::string& next : restored.texts("next")) {
    out += transcript_line(style, "next", next);
  }
  return out;
}

Json await_backup(Context& context) {
  BytesDone line(context, "backup");
  for (int64_t seen = -1;;) {
    Json now =
        context.get({"v1", "backup"}, {{"seen", std::to_string(seen)}, {"wait_ms", "10000"}});
    const Doc doc(now);
    if (doc.text("state") == "failed") throw read_error(now);
    if (doc.text("state") == "done") return now;
    line.draw(doc.number("done"), doc.number("bytes"));
    seen = doc.number("revision");
  }
}

void add_backup(Commands& commands) {
  struct Options {
    std::string to;
    bool without_artifacts = false;
  };
  auto* backup = commands.add("backup", kGroup,
                              "Write the workspace's state into one file, while it is served",
                              "lockstep backup /var/backups/lockstep\n"
                              "lockstep backup intents.tar --without-artifacts");
  auto options = std::make_shared<Options>();
  backup->add_option("TO", options->to, "A file that is not there yet, or a folder for one")
      ->required();
  backup->add_flag("--without-artifacts", options->without_artifacts,
                   "Leave out the bytes of models; they are then trained again");
  commands.on(backup, [options](Context& context) {
    const fs::path to = fs::absolute(context.folder() / options->to).lexically_normal();
    context.post({"v1", "backup"},
                 {{"to", to.string()}, {"without_artifacts", options->without_artifacts}});
    return context.show(await_backup(context),
                        [&](const Doc& doc) { return render_backup(doc, context.style()); });
  });
}

void add_restore(Commands& commands) {
  struct Options {
    std::string file, into;
    bool verify = false, force = false;
  };
  auto* restore = commands.add("restore", kGroup, "Bring a workspace back from a backup",
                               "lockstep restore intents.tar --verify\n"
                               "lockstep restore intents.tar --into /srv/intents");
  auto options = std::make_shared<Options>();
  restore->add_option("FILE", options->file, "What `lockstep backup` has written")->required();
  auto* into =
      restore->add_option("--into", options->into, "The folder of the workspace")->type_name("DIR");
  restore->add_flag("--force", options->force,
                    "Also where there is a state; it is kept beside the new one");
  restore
      ->add_flag("--verify", options->verify,
                 "Read all of it, say what is damaged or missing, change nothing")
      ->excludes(into);
  commands.on(restore, [options](Context& context) {
    if (!options->verify && options->into.empty()) {
      throw Error(ErrorCode::kInvalid, "where to? `lockstep restore FILE --into DIR`",
                  "`--verify` only looks at the file");
    }
    RestoreOptions wanted;
    wanted.file = fs::absolute(context.folder() / options->file).lexically_normal();
    if (!options->verify) wanted.into = fs::absolute(context.folder() / options->into);
    wanted.verify = options->verify;
    wanted.force = options->force;
    Json answer;
    {
      BytesDone line(context, options->verify ? "verify" : "restore");
      answer = context.environment().restore(wanted, [&](uint64_t done, uint64_t bytes) {
        line.draw(static_cast<int64_t>(done), static_cast<int64_t>(bytes));
      });
    }
    if (!options->verify) {
      return context.show(answer,
                          [&](const Doc& doc) { return render_restore(doc, context.style()); });
    }
    return context.show(
        answer, [&](const Doc& doc) { return render_verify(doc, context.style()); },
        Doc(answer).flag("ok") ? kExitDone : kExitFailed);
  });
}

}  // namespace

void add_backup_commands(Commands& commands) {
  add_backup(commands);
  add_restore(commands);
}

}  // namespace lockstep
