#include "tests/catch.h"
#include "tests/registry/rules/book.h"

using namespace lockstep;

namespace {

struct Story {
  Book book;
  std::vector<std::string> tags;  // tags[i]: manifest i of the story

  void released() {
    book.now_ms += 1'000;
    tags.push_back(book.cut().tag);
  }
};

// {a1,b1} → {a2,b1} → {a2,b2}, live at 2,000, 3,000 and 4,000 ms.
Story three() {
  Story story;
  story.book.train("a", "one");
  story.book.train("b", "one");
  story.released();
  story.book.train("a", "two");
  story.released();
  story.book.train("b", "two");
  story.released();
  return story;
}

}  // namespace

TEST_CASE("release rollback: to the previous release, pinned, marked, nothing built") {
  Story story = three();
  Book& book = story.book;
  ReleaseRollback done = book.roll_back(book.back_release());
  CHECK(done.from == story.tags[2]);
  CHECK(done.to == story.tags[1]);
  CHECK(done.pinned == std::vector<std::string>{"b"});
  CHECK(count<Release>(done.facts) == 0);
  CHECK(book.registry.live("production") == story.tags[1]);
  CHECK(book.registry.alias("b", "production") == 1);
  CHECK(book.champion("b") == 2);
  CHECK(book.registry.model("b")->pin("production")->kind == PinKind::kReleaseRollback);
  CHECK(book.registry.model("a")->pins.empty());
  // The release is withdrawn, its versions are not.
  const ReleaseState& left = *book.registry.release(story.tags[2]);
  CHECK(withdrawn_because(book.registry, left, "production") == "withdrawn by ann: bad morning");
  CHECK(withdrawn_because(book.registry, left, "staging").empty());
  CHECK(book.registry.model("b")->withdrawals.empty());
  const ChannelMove& move = book.registry.channels.at("production").back().move;
  CHECK(move.who == "ann");
  CHECK(move.why == "rollback: bad morning");
  CHECK(move.from == story.tags[2]);
}

TEST_CASE("release rollback: the next unrelated commit does not undo it") {
  Story story = three();
  Book& book = story.book;
  book.roll_back(book.back_release());
  CHECK(book.cut().facts.empty());
  book.train("a", "three");
  Cut cut = book.cut();
  CHECK(book.live_manifest() == R"({"a":"3","b":"1"})");
  CHECK(cut.held_back == std::vector<std::string>{"b: pinned at version 1 by ann: bad morning"});
}

TEST_CASE("release rollback: unpinning the channel ends it, and lifts the mark") {
  Story story = three();
  Book& book = story.book;
  book.roll_back(book.back_release());
  book.add(unpin_channel(book.registry, "production", "ann", "fixed"));
  CHECK(book.registry.live("production") == story.tags[1]);
  Cut cut = book.cut();
  CHECK(cut.tag == story.tags[2]);
  CHECK_FALSE(cut.built_new);
  CHECK(book.registry.release(cut.tag)->withdrawn.empty());
}

TEST_CASE("release rollback: again goes further back, and forward again by name") {
  Story story = three();
  Book& book = story.book;
  book.roll_back(book.back_release());
  CHECK(book.roll_back(book.back_release()).to == story.tags[0]);
  CHECK(book.registry.alias("a", "production") == 1);
  ReleaseRollback forward = book.roll_back(book.back_release(story.tags[2]));
  CHECK(forward.pinned == std::vector<std::string>{"a", "b"});
  CHECK(book.registry.live("production") == story.tags[2]);
  CHECK(book.registry.release(story.tags[2])->withdrawn.empty());
  std::string message = message_of([&] { book.roll_back(book.back_release()); });
  CHECK(message.starts_with("conflict: channel production has no earlier release to go back to: " +
                            story.tags[0] + ": withdrawn by ann"));
}

TEST_CASE("release rollback: a model that it removes is pinned as absent") {
  Story story = three();
  Book& book = story.book;
  book.train("c", "one");
  story.released();
  ReleaseRollback done = book.roll_back(book.back_release());
  CHECK(done.to == story.tags[2]);
  CHECK(done.pinned == std::vector<std::string>{"c"});
  CHECK(book.registry.model("c")->pin("production")->version == 0);
  CHECK(book.registry.alias("c", "production") == 0);
  CHECK(book.cut().held_back ==
        std::vector<std::string>{"c: pinned as absent by ann: bad morning"});
  CHECK(book.registry.live("production") == story.tags[2]);
}

TEST_CASE("release rollback: a model that it brings back stays, though no longer produced") {
  Story story = three();
  Book& book = story.book;
  book.produced.erase("a");
  story.released();
  CHECK(book.live_manifest() == R"({"b":"2"})");
  ReleaseRollback done = book.roll_back(book.back_release());
  CHECK(done.pinned == std::vector<std::string>{"a"});
  Cut cut = book.cut();
  CHECK(cut.facts.empty());
  CHECK(cut.tag == story.tags[2]);
  CHECK(cut.held_back == std::vector<std::string>{
                             "a: pinned at version 2 by ann: bad morning (no longer produced)"});
}

TEST_CASE("release rollback: to what was live at a time") {
  Story story = three();
  Book& book = story.book;
  ReleaseRollbackRequest request = book.back_release();
  request.at_ms = 2'500;
  CHECK(roll_back_release(book.registry, request, has_all).to == story.tags[0]);
  request.at_ms = 3'000;
  CHECK(roll_back_release(book.registry, request, has_all).to == story.tags[1]);
  request.at_ms = 1'999;
  CHECK(message_of([&] {
          roll_back_release(book.registry, request, has_all);
        }).starts_with("not_found: channel production had no release then"));
  request.at_ms = 9'000;
  CHECK(message_of([&] {
          roll_back_release(book.registry, request, has_all);
        }).starts_with("conflict: release " + story.tags[2] + " is live already"));
  request.to = story.tags[0];
  CHECK(message_of([&] {
          roll_back_release(book.registry, request, has_all);
        }).starts_with("invalid: "));
  // Withdrawn since: only by name.
  book.now_ms = 5'000;
  book.roll_back(book.back_release());
  ReleaseRollbackRequest again = book.back_release();
  again.at_ms = 4'000;
  CHECK(message_of([&] { roll_back_release(book.registry, again, has_all); })
            .starts_with("conflict: release " + story.tags[2] +
                         " was live then, but is withdrawn by ann: bad morning"));
}

TEST_CASE("release rollback: a release that names a withdrawn version counts as withdrawn") {
  Story story = three();
  Book& book = story.book;
  book.add(Withdrawal{"a", 2, "staging", "bob", "slow", false});
  CHECK(roll_back_release(book.registry, book.back_release(), has_all).to == story.tags[1]);
  book.add(Withdrawal{"a", 2, "production", "bob", "slow", false});
  CHECK(roll_back_release(book.registry, book.back_release(), has_all).to == story.tags[0]);
  CHECK(withdrawn_because(book.registry, *book.registry.release(story.tags[1]), "production") ==
        "a version 2 is withdrawn in production by bob: slow");
  // By name it is taken, and the mark lifted.
  book.roll_back(book.back_release(story.tags[1]));
  CHECK(book.registry.model("a")->withdrawn(2, "production") == nullptr);
  CHECK(book.registry.model("a")->withdrawn(2, "staging") != nullptr);
}

TEST_CASE("release rollback: missing bytes are passed over, or refused by name") {
  Story story = three();
  Book& book = story.book;
  Digest gone = book.registry.model("a")->version(2)->digest;
  HasBytes has = [&](const Digest& digest) { return digest != gone; };
  CHECK(roll_back_release(book.registry, book.back_release(), has).to == story.tags[0]);
  CHECK(message_of([&] { roll_back_release(book.registry, book.back_release(story.tags[1]), has); })
            .starts_with("conflict: release " + story.tags[1] +
                         " can't be taken: the bytes of a version 2 are missing"));
}

TEST_CASE("release rollback: a hand pin refuses, naming itself and --override-pins") {
  Story story = three();
  Book& book = story.book;
  book.add(pin(book.registry, {"b", "production", 2, PinKind::kHand, "bob", "fair"}));
  ReleaseRollbackRequest request = book.back_release();
  std::string message = message_of([&] { roll_back_release(book.registry, request, has_all); });
  CHECK(message.starts_with("denied: production of b is pinned at version 2 by bob: fair"));
  CHECK(message.find("--override-pins") != std::string::npos);
  request.override_pins = true;
  CHECK(roll_back_release(book.registry, request, has_all).to == story.tags[1]);
}

TEST_CASE("release rollback: a hand pin on a model that need not move is left alone") {
  Story story = three();
  Book& book = story.book;
  book.add(pin(book.registry, {"a", "production", 2, PinKind::kHand, "bob", "fair"}));
  book.roll_back(book.back_release());
  CHECK(book.registry.model("a")->pin("production")->who == "bob");
}

TEST_CASE("release rollback: only to releases that were live in this channel") {
  Story story = three();
  Book& book = story.book;
  book.train("c", "one");
  std::string staged = book.cut("staging").tag;
  CHECK(message_of([&] {
          book.roll_back(book.back_release(staged));
        }).starts_with("conflict: release " + staged + " was never live in production"));
  CHECK(message_of([&] {
          book.roll_back(book.back_release(std::string(32, '0')));
        }).starts_with("not_found: "));
  ReleaseRollbackRequest request = book.back_release();
  request.channel = "elsewhere";
  CHECK(message_of([&] { book.roll_back(request); }).starts_with("not_found: "));
  request = book.back_release();
  request.reason = "";
  CHECK(message_of([&] { book.roll_back(request); }).starts_with("invalid: "));
}

TEST_CASE("release rollback: channels do not touch each other") {
  Story story = three();
  Book& book = story.book;
  book.cut("staging");
  book.roll_back(book.back_release());
  CHECK(book.registry.live("staging") == story.tags[2]);
  CHECK(book.registry.alias("b", "staging") == 2);
  CHECK(book.cut("staging").facts.empty());
  CHECK(book.registry.model("b")->pin("staging") == nullptr);
}

TEST_CASE("release rollback: of a rebuild stays with the first content, though nothing is pinned") {
  Story story = three();
  Book& book = story.book;
  CutRequest today = book.request();
  today.base = "sha256:feed";
  book.add(rebuild_release(book.registry, today, "new base").facts);
  ReleaseRollback done = book.roll_back(book.back_release());
  CHECK(done.to == story.tags[2]);
  CHECK(done.pinned.empty());
  Cut cut = book.cut(today);
  CHECK(cut.facts.empty());
  CHECK(cut.tag == story.tags[2]);
  CHECK(cut.held_back.size() == 1);
}

TEST_CASE("cut: a content withdrawn in the channel gives way to another of the same manifest") {
  Story story = three();
  Book& book = story.book;
  CutRequest today = book.request();
  today.base = "sha256:feed";
  book.add(rebuild_release(book.registry, today, "new base").facts);
  book.roll_back(book.back_release());
  book.train("a", "three");
  book.cut(today);
  book.train("a", "two");  // known fingerprint: the same manifest again, by itself
  CHECK(book.cut(today).tag == story.tags[2]);
}
