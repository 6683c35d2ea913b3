#include <algorithm>
#include <random>

#include "pipeline/base/error.h"
#include "pipeline/daemon/backup_archive.h"
#include "pipeline/formats/tar.h"
#include "tests/catch.h"

using namespace lockstep;

namespace {

const BackupProgress kSilent = [](uint64_t) {};

struct Bench {
  TempFolder folder;
  fs::path file = folder.path() / "one.tar";
  std::map<std::string, std::string> files = {{"state.db", std::string(3'000, 's')},
                                              {"lockstep.yaml", "sources: {}\n"},
                                              {"tokens.json", ""}};

  Bench() {
    for (const char* bytes : {"model", "other"}) {
      const std::string hex = sha256(bytes).hex();
      files["artifacts/sha256/" + hex.substr(0, 2) + "/" + hex] = bytes;
    }
    std::vector<BackupEntry> entries;
    for (const auto& [path, bytes] : files) {
      const fs::path from = folder.path() / sha256(path).hex();
      real_files().write_atomic(from, bytes);
      entries.push_back({path, bytes.size(), sha256(bytes), from});
    }
    write_archive(file, {{"created", "2026-03-03T14:00:00Z"}}, entries, kSilent);
  }

  static std::map<std::string, std::string> read(const fs::path& file) {
    std::map<std::string, std::string> out;
    BackupReader reader(file);
    size_t whole = 0;
    reader.read(
        [&](const BackupReader::Piece& piece) {
          out[piece.entry.path] += piece.bytes;
          whole += piece.whole ? 1 : 0;
        },
        kSilent);
    CHECK(whole == out.size());
    return out;
  }

  // The error's code, where the bytes are refused.
  std::optional<ErrorCode> refused(const std::string& bytes) const {
    const fs::path bad = folder.path() / "bad.tar";
    real_files().write_atomic(bad, bytes);
    try {
      read(bad);
      return std::nullopt;
    } catch (const Error& error) {
      CHECK_THAT(error.message, Catch::Contains("bad.tar"));
      return error.code;
    }
  }
};

// A tar of files as somebody else would make it, with a good manifest.
std::string crafted(const std::string& path, const std::string& bytes, const std::string& digest) {
  const std::string manifest =
      Json{{"format", 1},
           {"files", {{{"path", path}, {"bytes", bytes.size()}, {"sha256", digest}}}}}
          .dump() +
      "\n";
  std::string out;
  TarWriter tar([&](std::string_view piece) { out += piece; });
  tar.file("MANIFEST.json", manifest);
  tar.file("MANIFEST.sha256", sha256(manifest).hex() + "\n");
  tar.finish();
  return out;
}

}  // namespace

TEST_CASE("a backup holds what was put in, and never replaces a file") {
  Bench b;
  CHECK(Bench::read(b.file) == b.files);
  CHECK(BackupReader(b.file).about() == Json{{"created", "2026-03-03T14:00:00Z"}});
  CHECK((fs::status(b.file).permissions() & fs::perms::all) == fs::perms(0600));
  CHECK_THROWS_WITH(write_archive(b.file, Json::object(), {}, kSilent),
                    Catch::Contains("is there already"));
}

TEST_CASE("a file that is not what its digest says makes no backup, and leaves nothing") {
  Bench b;
  const fs::path to = b.folder.path() / "two.tar";
  std::vector<BackupEntry> entries = {{"state.db", 5, sha256("other"), b.folder.path() / "from"}};
  real_files().write_atomic(b.folder.path() / "from", "bytes");
  CHECK_THROWS_WITH(write_archive(to, Json::object(), entries, kSilent),
                    Catch::Contains("is damaged on disk"));
  for (const auto& entry : fs::directory_iterator(b.folder.path())) {
    CHECK(entry.path().string().find("two.tar") == std::string::npos);
  }
}

TEST_CASE("an archive that ends anywhere, or has one bit changed anywhere, is refused") {
  Bench b;
  const std::string whole = real_files().read(b.file);
  REQUIRE_FALSE(b.refused(whole));
  for (size_t length = 0; length < whole.size(); length += 97) {
    INFO("cut at " << length);
    CHECK(b.refused(whole.substr(0, length)));
  }
  CHECK(b.refused(whole + std::string(512, '\0')) == ErrorCode::kCorrupt);
  std::mt19937 dice(7);
  for (size_t at = 0; at < whole.size(); at += 1 + dice() % 40) {
    INFO("bit at " << at);
    std::string bad = whole;
    bad[at] = static_cast<char>(bad[at] ^ (1 << dice() % 8));
    CHECK(b.refused(bad));
  }
}

TEST_CASE("names that no backup has are refused, whoever signs for them") {
  Bench b;
  const std::string digest = sha256("x").hex();
  for (const char* path : {"../state.db", "/etc/passwd", "artifacts/../../x", "logs/a.log", "lock",
                           "artifacts/sha256/00/short", "state.db/", ".lockstep/state.db", ""}) {
    INFO(path);
    CHECK_FALSE(backup_path_allowed(path));
    CHECK(b.refused(crafted(path, "x", digest)) == ErrorCode::kCorrupt);
  }
  // The right name of other bytes.
  const std::string other = sha256("y").hex();
  CHECK(b.refused(crafted("artifacts/sha256/" + other.substr(0, 2) + "/" + other, "x", digest)));
  // A link in the place of a file: another header than a backup has.
  std::string link = real_files().read(b.file);
  const size_t at = link.find("lockstep.yaml", 4096);
  REQUIRE(at != std::string::npos);
  link[at + 156] = '2';
  CHECK(b.refused(link) == ErrorCode::kCorrupt);
  CHECK(b.refused(std::string(10'000, '\0')) == ErrorCode::kInvalid);
  CHECK(b.refused("") == ErrorCode::kInvalid);
}
