#include "pipeline/exec/local_executor.h"

#include "pipeline/base/folder.h"
#include "pipeline/exec/results.h"
#include "tests/pipeline/exec/fixture.h"

using namespace lockstep;

namespace {

// Artifacts as plain files; `full` makes it refuse new bytes as a full disk does.
class FolderArtifacts : public Artifacts {
 public:
  explicit FolderArtifacts(fs::path folder) : folder_(std::move(folder)) {
    fs::create_directories(folder_);
  }
  Digest put(std::string_view bytes) override {
    if (full) throw Error(ErrorCode::kUnavailable, "disk full");
    real_files().write_atomic(folder_ / sha256(bytes).hex(), bytes);
    return sha256(bytes);
  }
  Digest put_file(const fs::path& file) override { return put(real_files().read(file)); }
  std::string get(const Digest& digest) override { return real_files().read(path(digest)); }
  bool has(const Digest& digest) override { return fs::exists(folder_ / digest.hex()); }
  uint64_t size(const Digest& digest) override { return fs::file_size(path(digest)); }
  bool drop_damaged(const Digest&) override { return false; }
  fs::path path(const Digest& digest) override {
    if (!has(digest)) throw Error(ErrorCode::kNotFound, "no artifact " + digest.str());
    return folder_ / digest.hex();
  }
  std::atomic<bool> full{false};

 private:
  fs::path folder_;
};

struct House {
  House() : artifacts(temp.path() / "artifacts") { open(); }
  ~House() {
    pid_t pid = runner_pid();
    executor.reset();
    kill(pid, SIGTERM);
    CHECK(eventually([&] { return process_gone(pid); }));
  }
  void open() {
    RunnerPlace place{runner_program(), temp.path() / "state", "", {"--no-gpus"}, 30'000};
    executor = std::make_unique<LocalExecutor>(LocalExecutorOptions{place, temp.path() / "scratch"},
                                               artifacts);
    executor->on_result([this](AttemptResult result) {
      std::lock_guard guard(mutex);
      ++told[result.id];
      results[result.id] = std::move(result);
      changed.notify_all();
    });
  }
  pid_t runner_pid() {
    RunnerClient client(reach_runner({"", temp.path() / "state", "", {}, 0}), nullptr);
    return client.call({{"op", "hello"}, {"protocol", 1}}).header["pid"];
  }
  AttemptResult wait(const std::string& id) {
    std::unique_lock lock(mutex);
    REQUIRE(changed.wait_for(lock, 30s, [&] { return results.contains(id); }));
    return results[id];
  }
  bool heard(const std::string& id) {
    std::lock_guard guard(mutex);
    return results.contains(id);
  }

  TempFolder temp;
  FolderArtifacts artifacts;
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::string, AttemptResult> results;
  std::map<std::string, int> told;
  std::unique_ptr<LocalExecutor> executor;
};

AttemptSpec script(const std::string& id, const std::string& text) {
  AttemptSpec spec;
  spec.id = id;
  spec.step = "s";
  spec.run = text;
  return spec;
}

std::optional<ErrorCode> code(const std::exception_ptr& failure) {
  try {
    if (failure) std::rethrow_exception(failure);
  } catch (const Error& error) {
    return error.code;
  }
  return std::nullopt;
}

}  // namespace

TEST_CASE("an executor brings inputs there and outputs back") {
  House house;
  AttemptSpec spec = script("a", R"(
    cat "$LOCKSTEP_INPUT_ROWS" "$LOCKSTEP_INPUT_ROWS_HOLDOUT" lib/f > "$LOCKSTEP_OUTPUT/m"
    mkdir "$LOCKSTEP_OUTPUT/d"; echo in > "$LOCKSTEP_OUTPUT/d/x"
    head -c 9000000 /dev/zero > "$LOCKSTEP_OUTPUT/big"
    echo '{"accuracy": 0.75, "n": 3}' > "$LOCKSTEP_OUTPUT/metrics.json"
    echo '{"l":1}' >> "$LOCKSTEP_METRICS"; printf '{"l"' >> "$LOCKSTEP_METRICS"; echo log)");
  std::string big(6'000'000, 'b');
  spec.inputs = {{"rows", "rows.csv", false, house.artifacts.put(big)},
                 {"rows_HOLDOUT", "rows.csv", false, house.artifacts.put("holdout")}};
  spec.code = house.artifacts.put(folder_listing({{"lib/f", house.artifacts.put("code"), false}}));
  spec.outputs = {{"model", "m"}, {"folder", "d"}, {"big", "big"}, {"metrics", "metrics.json"}};
  house.executor->start(spec);
  AttemptResult result = house.wait("a");
  INFO(result.error);
  REQUIRE(result.end == AttemptEnd::kSucceeded);
  CHECK(house.artifacts.get(result.outputs["model"]) == big + "holdoutcode");
  CHECK(result.outputs["big"] == sha256(std::string(9'000'000, '\0')));
  CHECK(house.artifacts.has(result.outputs["big"]));
  CHECK(result.folders["folder"]);
  CHECK(house.artifacts.get(result.outputs["folder"]) ==
        folder_listing({{"x", sha256("in\n"), false}}));
  CHECK(house.artifacts.get(sha256("in\n")) == "in\n");
  CHECK(result.metrics == Json({{"accuracy", 0.75}, {"n", 3}}));
  CHECK(result.peak_memory_bytes > 0);
  CHECK(house.executor->log("a", 1, 2) == "og");
  CHECK(house.executor->live_metrics("a", 0) == "{\"l\":1}\n");
  CHECK(house.executor->known() == std::vector<std::string>{"a"});
  house.executor->collected("a");
  house.executor->collected("a");
  CHECK(house.executor->known().empty());
  CHECK(fs::is_empty(house.temp.path() / "scratch"));
}

TEST_CASE("an executor tells bad starts apart") {
  House house;
  AttemptSpec spec = script("b", "true");
  spec.code = sha256("nowhere");
  try {
    house.executor->start(spec);
    FAIL("started without its code");
  } catch (const Error& e) {
    CHECK(e.code == ErrorCode::kNotFound);
  }
  CHECK_THROWS_AS(house.executor->start(script("../b", "true")), Error);
  house.executor->cancel("unknown");
  CHECK_THROWS_AS(house.executor->log("unknown", 0, 1), Error);
  house.executor->start(script("c", "sleep 1000"));
  house.executor->start(script("c", "sleep 1000"));
  house.executor->cancel("c");
  CHECK(house.wait("c").end == AttemptEnd::kCancelled);
  CHECK(house.executor->slots("local").at(0).name == "local-1");
}

TEST_CASE("several attempts asked for at once have an outcome each") {
  House house;
  AttemptSpec needs = script("needs", "cat \"$LOCKSTEP_INPUT_ROWS\""), lacks = needs;
  needs.inputs = {{"rows", "rows.csv", false, house.artifacts.put("id\n1\n")}};
  lacks.id = "lacks";
  lacks.inputs = {{"rows", "rows.csv", false, sha256("nobody has these")}};
  auto started = house.executor->start_all(
      {script("quiet", "true"), script("../up", "true"), needs, lacks, script("loud", "echo hi")});
  REQUIRE(started.size() == 5);
  CHECK(!started[0]);
  CHECK(code(started[1]) == ErrorCode::kInvalid);
  CHECK(!started[2]);
  CHECK(code(started[3]) == ErrorCode::kNotFound);
  CHECK(!started[4]);
  for (const char* id : {"quiet", "needs", "loud"}) {
    CHECK(house.wait(id).end == AttemptEnd::kSucceeded);
  }
  CHECK(house.executor->log("quiet", 0, 100).empty());
  CHECK(house.executor->log("needs", 0, 100) == "id\n1\n");
  CHECK(house.executor->log("loud", 0, 100) == "hi\n");
  AttemptSpec slow = script("slow", "exec sleep 60");
  house.executor->start(slow);
  auto collected = house.executor->collected_all({"quiet", "never", "slow", "loud"});
  REQUIRE(collected.size() == 4);
  CHECK(!collected[0]);
  CHECK(!collected[1]);  // what the runner does not know needs no more collecting
  CHECK(code(collected[2]) == ErrorCode::kConflict);
  CHECK(!collected[3]);
  CHECK(house.executor->known() == std::vector<std::string>{"needs", "slow"});
  CHECK(house.executor->start_all({}).empty());
  house.executor->cancel("slow");
  CHECK(house.wait("slow").end == AttemptEnd::kCancelled);
}

TEST_CASE("metrics that are no flat map of numbers fail the attempt") {
  House house;
  int n = 0;
  for (std::string text : {"{\"a\": \"x\"}", "[1]", "{\"a\": 1e999}", "{\"a\": {\"b\": 1}}",
                           "{\"a\": NaN}", "nonsense"}) {
    AttemptSpec spec = script("m" + std::to_string(n++),
                              "printf '%s' '" + text + "' > $LOCKSTEP_OUTPUT/metrics.json");
    spec.outputs = {{"metrics", "metrics.json"}};
    house.executor->start(spec);
    AttemptResult result = house.wait(spec.id);
    INFO(text);
    CHECK(result.end == AttemptEnd::kFailed);
    CHECK(result.error.find("metrics.json") != std::string::npos);
    CHECK(result.outputs.empty());
  }
}

TEST_CASE("an executor survives its runner") {
  House house;
  AttemptSpec spec = script("r", "sleep 0.4; echo done > $LOCKSTEP_OUTPUT/o");
  spec.outputs = {{"o", "o"}};
  house.executor->start(spec);
  pid_t first = house.runner_pid();
  kill(first, SIGKILL);
  CHECK(house.wait("r").end == AttemptEnd::kSucceeded);
  CHECK(house.runner_pid() != first);
  house.executor->start(script("after", "true"));
  CHECK(house.wait("after").end == AttemptEnd::kSucceeded);
  house.executor->collected("r");
}

TEST_CASE("results wait for a daemon that was away, each until it is collected") {
  House house;
  AttemptSpec spec = script("w", "sleep 0.1; echo w > $LOCKSTEP_OUTPUT/o");
  spec.outputs = {{"o", "o"}};
  house.executor->start(spec);
  house.executor.reset();
  house.open();
  CHECK(house.wait("w").end == AttemptEnd::kSucceeded);
  house.executor.reset();
  house.open();
  CHECK(eventually([&] {
    std::lock_guard guard(house.mutex);
    return house.told["w"] == 2;
  }));
  house.executor->collected("w");
  house.executor.reset();
  house.open();
  CHECK(house.executor->known().empty());
}

TEST_CASE("a full artifact store delays a result and loses nothing") {
  House house;
  house.artifacts.full = true;
  AttemptSpec spec = script("full", "echo f > $LOCKSTEP_OUTPUT/o");
  spec.outputs = {{"o", "o"}};
  house.executor->start(spec);
  house.executor->start(script("small", "true"));
  CHECK(house.wait("small").end == AttemptEnd::kSucceeded);
  CHECK_FALSE(house.heard("full"));
  house.artifacts.full = false;
  CHECK(house.wait("full").end == AttemptEnd::kSucceeded);
  CHECK(house.artifacts.get(sha256("f\n")) == "f\n");
}
