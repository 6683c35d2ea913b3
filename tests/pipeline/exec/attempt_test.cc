#include "pipeline/base/folder.h"
#include "tests/pipeline/exec/fixture.h"

using namespace lockstep;

TEST_CASE("an attempt succeeds with its outputs as bytes by digest") {
  TestRunner runner;
  Json order = shell("a1", R"(
    cat "$LOCKSTEP_INPUT_ROWS" > "$LOCKSTEP_OUTPUT/model.bin"
    printf '{"accuracy": 0.5}' > "$LOCKSTEP_OUTPUT/metrics.json"
    printf '{"isa":"avx2"}' > "$LOCKSTEP_OUTPUT/environment.json"
    echo '{"loss": 1}' >> "$LOCKSTEP_METRICS"
    echo hello; echo world >&2)");
  std::string rows = "id,text\n1,öffne\n";
  order["inputs"] = {{{"name", "rows"}, {"file", "rows.csv"}, {"digest", sha256(rows).str()}}};
  order["outputs"] = {{"model", "model.bin"}, {"metrics", "metrics.json"}};
  CHECK(runner.start(order) == "missing");
  runner.put(rows);
  Json result = runner.run(order);
  CHECK(result["end"] == "succeeded");
  CHECK(result["exit"] == 0);
  CHECK(result["error"] == "");
  CHECK(runner.output(result, "model") == rows);
  CHECK(result["metrics"] == "{\"accuracy\": 0.5}");
  CHECK(result["environment"] == "{\"isa\":\"avx2\"}");
  CHECK(result["peak_memory_bytes"] > 100'000);
  CHECK(result["finished_ms"] >= result["started_ms"]);
  CHECK(runner.log("a1") == "hello\nworld\n");
  Frame metrics = runner.client->call({{"op", "log"}, {"attempt", "a1"}, {"what", "metrics"}});
  CHECK(metrics.payload == "{\"loss\": 1}\n");
  CHECK(metrics.header["end"] == true);
}

TEST_CASE("the program sees its own environment and nothing else") {
  setenv("LEAK", "daemon-secret", 1);
  TestRunner runner;
  Json order = shell("env", "env | sort; pwd; ls -A; cat $LOCKSTEP_WITH; umask");
  order["env"] = {{"GREETING", "a'b\"$(id)"}};
  order["secrets"] = {{"TOKEN", "hush-hush"}};
  order["with"] = {{"rank", 8}};
  order["seed"] = 7;
  order["step"] = "train[client=3]";
  order["slot"] = {{"name", "gpu1"}, {"cuda", "1"}};
  order["outputs"] = Json::object();
  REQUIRE(runner.run(order)["end"] == "succeeded");
  std::string log = runner.log("env"), folder = runner.place.state / "attempts/env";
  for (std::string line :
       {"GREETING=a'b\"$(id)", "TOKEN=***", "LOCKSTEP_SEED=7", "LOCKSTEP_STEP=train[client=3]",
        "CUDA_VISIBLE_DEVICES=1", "{\"rank\":8}", "LOCKSTEP_OUTPUTS={}"}) {
    INFO(line << " in " << log);
    CHECK(log.find(line) != std::string::npos);
  }
  CHECK(log.find("HOME=" + folder + "/tmp\n") != std::string::npos);
  CHECK(log.find("LOCKSTEP_OUTPUT=" + folder + "/out\n") != std::string::npos);
  CHECK(log.find("daemon-secret") == std::string::npos);
  unsetenv("LEAK");
}

TEST_CASE("failures say what happened") {
  TestRunner runner;
  Json result = runner.run(shell("exit", "exit 3"));
  CHECK(result["end"] == "failed");
  CHECK(result["exit"] == 3);
  CHECK(result["error"] == "exited with 3");
  result = runner.run(shell("signal", "kill -SEGV $$"));
  CHECK(result["end"] == "failed");
  CHECK(result["signal"] == SIGSEGV);
  CHECK(result["error"].get<std::string>().find("killed by signal 11") == 0);
  Json order = {{"id", "none"}, {"argv", {"no-such-program"}}};
  result = runner.run(order);
  CHECK(result["end"] == "failed");
  CHECK(result["error"].get<std::string>().find("no-such-program") != std::string::npos);
  order = {{"id", "noexec"}, {"argv", {"/etc/passwd"}}};
  CHECK(runner.run(order)["end"] == "failed");
  order = {{"id", "argv"}, {"argv", {"printf", "%s|", "a b", "$HOME", "*"}}};
  CHECK(runner.run(order)["end"] == "succeeded");
  CHECK(runner.log("argv") == "a b|$HOME|*|");
}

TEST_CASE("a script stops at its first failing command") {
  TestRunner runner;
  CHECK(runner.run(shell("e", "false\necho never"))["end"] == "failed");
  CHECK(runner.log("e") == "");
}

TEST_CASE("missing and refused outputs are failures") {
  TestRunner runner;
  auto with_output = [](const std::string& id, const std::string& script) {
    Json order = shell(id, "cd $LOCKSTEP_OUTPUT\n" + script);
    order["outputs"] = {{"model", "m"}, {"other", "sub/o"}};
    return order;
  };
  Json result = runner.run(with_output("missing", "echo x > sub/o"));
  CHECK(result["end"] == "failed");
  CHECK(result["error"].get<std::string>().find("`model` (m)") != std::string::npos);
  CHECK(result["outputs"].empty());
  int n = 0;
  for (std::string script : {"ln -s /etc/passwd m", "mkfifo m", "mkdir m; ln -s /etc/passwd m/x",
                             "ln -s /etc m", "echo m > m; rmdir sub; ln -s /etc sub",
                             "echo m > m; rm -r sub; ln -s . sub; echo o > o"}) {
    INFO(script);
    std::string id = "refused" + std::to_string(n++);
    result = runner.run(with_output(id, "echo o > sub/o\n" + script));
    CHECK(result["end"] == "failed");
    CHECK(result["error"] != "");
    CHECK(result["outputs"].empty());
  }
}

TEST_CASE("folders travel as listings, both ways, and inputs are read-only") {
  TestRunner runner;
  Digest file = runner.put("#!/bin/sh\necho from $1\n"), data = runner.put("data");
  Digest code = runner.put(folder_listing({{"bin/tool", file, true, 0}, {"d", data, false, 0}}));
  Json order = shell("f", R"(
    find . -type f | sort
    bin/tool code
    $LOCKSTEP_INPUT_KIT/bin/tool input
    stat -c '%a %n' "$LOCKSTEP_INPUT_KIT"/* "$LOCKSTEP_INPUT_KIT"/bin/* | sed 's:/.*kit/::'
    mkdir $LOCKSTEP_OUTPUT/model
    cp -r . $LOCKSTEP_OUTPUT/model/copy
    ln d $LOCKSTEP_OUTPUT/model/linked
    echo changed > d)");
  order["code"] = code.str();
  order["inputs"] = {{{"name", "kit"}, {"file", "kit"}, {"digest", code.str()}, {"folder", true}}};
  order["outputs"] = {{"model", "model"}};
  Json result = runner.run(order);
  INFO(runner.log("f") << result["error"]);
  REQUIRE(result["end"] == "succeeded");
  CHECK(runner.log("f") ==
        "./bin/tool\n./d\nfrom code\nfrom input\n500 bin\n400 d\n500 bin/tool\n");
  CHECK(result["outputs"]["model"]["folder"] == true);
  auto entries = parse_folder_listing(runner.output(result, "model"));
  REQUIRE(entries.size() == 3);
  CHECK(entries[0] == FolderEntry{"copy/bin/tool", file, true, 0});
  CHECK(entries[1] == FolderEntry{"copy/d", data, false, 0});
  CHECK(runner.client->get(entries[2].digest, 100) == "changed\n");
  CHECK(runner.client->get(data, 100) == "data");
}

TEST_CASE("a checkpoint is kept across attempts until the last") {
  TestRunner runner;
  Json order = shell("c1", "echo 1 >> $LOCKSTEP_CHECKPOINT/n; cat $LOCKSTEP_CHECKPOINT/n; exit 1");
  order["checkpoint"] = "fingerprint/../x";
  CHECK(runner.run(order)["end"] == "failed");
  runner.client->call({{"op", "forget"}, {"attempt", "c1"}});
  order["id"] = "c2";
  CHECK(runner.run(order)["end"] == "failed");
  CHECK(runner.log("c2") == "1\n1\n");
  runner.client->call({{"op", "forget"}, {"attempt", "c2"}, {"final", true}});
  CHECK(fs::is_empty(runner.place.state / "checkpoints"));
}

TEST_CASE("a secret reaches the program and no file") {
  TestRunner runner;
  Json order = shell("s", "sleep 0.01; printf %s \"$TOKEN\" | md5sum; echo \"<$TOKEN>\"; exit 1");
  order["secrets"] = {{"TOKEN", "correct-horse-battery"}};
  CHECK(runner.run(order)["end"] == "failed");
  CHECK(runner.log("s") == md5_hex("correct-horse-battery") + "  -\n<***>\n");
  for (const auto& item : fs::recursive_directory_iterator(runner.temp.path())) {
    if (!item.is_regular_file()) continue;
    INFO(item.path());
    CHECK(real_files().read(item.path()).find("correct-horse") == std::string::npos);
  }
}

TEST_CASE("a memory limit holds for the program") {
  TestRunner runner;
  Json order = shell("m", "head -c 300000000 /dev/zero | tail -c 290000000 | wc -c");
  order["memory_bytes"] = 50'000'000;
  runner.run(order);
  CHECK(runner.log("m").find("290000000") == std::string::npos);
}
