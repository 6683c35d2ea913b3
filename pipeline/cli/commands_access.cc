// Commands about who may come in over the network: tokens, and who did what.
#include <memory>

#include "pipeline/cli/commands.h"
#include "pipeline/cli/render.h"
#include "pipeline/cli/text.h"

namespace lockstep {
namespace {

constexpr const char* kGroup = "Access";

std::string render_tokens(const Doc& tokens, const Style& style) {
  Table table(style, {"name", "role", "made", "by", "expires", ""});
  for (const Doc& token : tokens.list()) {
    std::string end = token.has("revoked") ? style.red("revoked " + when(token.text("revoked")))
                      : token.flag("live") ? ""
                                           : style.yellow("expired");
    table.row({token.text("name"), token.text("role"), when(token.text("created")),
               token.text("by"), token.has("expires") ? when(token.text("expires")) : "never",
               end});
  }
  return table.empty() ? "no tokens; `lockstep token create NAME --role ROLE` makes one\n"
                       : table.text();
}

std::string render_new_token(const Doc& token, const Style& style) {
  std::string left = token.text("name") + "   " + token.text("role");
  std::string right =
      token.has("expires") ? "expires " + when(token.text("expires")) : "never expires";
  return transcript_line(style, "token", left, right) + token.text("token") + "\n";
}

void add_create(Commands& commands, CLI::App* token) {
  struct Options {
    std::string name, role, expires;
  };
  auto* create = commands.add("create", "", "Make a token; it is shown this once",
                              "lockstep token create ci --role operator --expires 90d", token);
  auto options = std::make_shared<Options>();
  create->add_option("NAME", options->name, "Under which its deeds are recorded")->required();
  create
      ->add_option("--role", options->role,
                   "viewer, analyst, operator, releaser, approver or admin")
      ->required();
  create->add_option("--expires", options->expires, "90d, 12h or a time; left out: never");
  commands.on(create, [options](Context& context) {
    Json body = {{"name", options->name}, {"role", options->role}, {"expires", options->expires}};
    return context.show(context.post({"v1", "tokens"}, body),
                        [&](const Doc& doc) { return render_new_token(doc, context.style()); });
  });
}

void add_token(Commands& commands) {
  auto* token = commands.add("token", kGroup, "Let somebody come in over the network",
                             "lockstep token create ci --role operator --expires 90d");
  token->require_subcommand(1);
  add_create(commands, token);
  auto* list =
      commands.add("list", "", "All tokens, without their secrets", "lockstep token list", token);
  commands.on(list, [](Context& context) {
    return context.show(context.get({"v1", "tokens"}),
                        [&](const Doc& doc) { return render_tokens(doc, context.style()); });
  });
  auto* revoke =
      commands.add("revoke", "", "End a token at once", "lockstep token revoke ci", token);
  auto which = std::make_shared<std::string>();
  revoke->add_option("NAME", *which, "Its name or id")->required();
  commands.on(revoke, [which](Context& context) {
    Json answer = context.post({"v1", "tokens", *which, "revoke"});
    return context.show(answer, [&](const Doc& doc) {
      return transcript_line(context.style(), "revoked", doc.text("name"));
    });
  });
}

void add_audit(Commands& commands) {
  auto* audit = commands.add("audit", kGroup, "Who did what, and who was denied, newest first",
                             "lockstep audit --limit 20");
  auto limit = std::make_shared<int64_t>(50);
  audit->add_option("--limit", *limit, "How many (50)")
      ->type_name("N")
      ->check(CLI::Range(1, 10'000));
  commands.on(audit, [limit](Context& context) {
    Json all = context.get({"v1", "audit"}, {{"limit", std::to_string(*limit)}});
    return context.show(all, [&](const Doc& doc) {
      Table table(context.style(), {"time", "who", "role", "from", "what", ">answer", "reason"});
      for (const Doc& one : doc.list()) {
        table.row({when(one.text("time")), one.text("who"), one.text("role"), one.text("peer"),
                   one.text("method") + " " + one.text("path"), one.text("status"),
                   one.text("reason")});
      }
      return table.empty() ? std::string("nothing yet\n") : table.text();
    });
  });
}

void add_look(Commands& commands) {
  auto* look = commands.add("look", kGroup,
                            "Have the daemon look at the sources now, and wait until what moved is "
                            "planned: for hooks of repositories",
                            "lockstep look\nlockstep look code");
  auto source = std::make_shared<std::string>();
  look->add_option("SOURCE", *source, "The one that has moved");
  commands.on(look, [source](Context& context) {
    return context.show(context.post({"v1", "look"}, {{"source", *source}}), [&](const Doc& doc) {
      std::string run = doc.has("run") ? "run " + doc.text("run") + " is at work" : "nothing runs";
      return transcript_line(context.style(), "looked", run);
    });
  });
}

}  // namespace

void add_access_commands(Commands& commands) {
  add_look(commands);
  add_token(commands);
  add_audit(commands);
}

}  // namespace lockstep
