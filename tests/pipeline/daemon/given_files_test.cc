// Which file is whose, and where two artifacts begin to differ.
#include "pipeline/daemon/given_files.h"

#include <fstream>

#include "pipeline/base/error.h"
#include "pipeline/base/folder.h"
#include "pipeline/daemon/byte_difference.h"
#include "pipeline/formats/safetensors.h"
#include "tests/catch.h"

using namespace lockstep;

namespace {

void write(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file) << text;
}

std::string refused(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return std::string(word(error.code)) + ": " + error.message;
  }
  return "taken";
}

const std::map<std::string, std::string> kText = {{"model", "model.txt"}};

Tensor tensor(const std::string& name, const std::string& bytes) {
  return {name, "U8", {bytes.size()}, bytes};
}

}  // namespace

TEST_CASE("a pattern, a folder and a list name one file for each model") {
  TempFolder folder;
  const fs::path at = folder.path();
  write(at / "a.txt", "A");
  write(at / "b@3.txt", "B3");
  write(at / "l.json", R"({"a": "a.txt", "c": "missing.txt"})");
  write(at / "l.csv", "model,file\na,a.txt\n\"b\",b@3.txt\n");
  CHECK(*GivenFiles((at / "{model}.txt").string()).find("a", ".bin") == at / "a.txt");
  CHECK(*GivenFiles(at.string()).find("a", ".txt") == at / "a.txt");
  CHECK(*GivenFiles(at.string()).find("b", ".txt", 3) == at / "b@3.txt");
  CHECK_FALSE(GivenFiles(at.string()).find("a", ".bin"));
  for (const char* name : {"../a", "..", "", "x/y"}) {
    CHECK_FALSE(GivenFiles((at / "{model}.txt").string()).find(name, ""));
  }
  GivenFiles json((at / "l.json").string());
  CHECK(json.named() == std::set<std::string>{"a", "c"});
  CHECK(*json.find("a", "") == at / "a.txt");
  write(at / "v.json", R"({"a@2": "b@3.txt", "a": "a.txt"})");
  GivenFiles versions((at / "v.json").string());
  CHECK(*versions.find("a", "", 2) == at / "b@3.txt");
  CHECK(*versions.find("a", "", 1) == at / "a.txt");
  CHECK(versions.names_version("a", 2));
  CHECK_FALSE(versions.names_version("a", 1));
  CHECK(GivenFiles(at.string()).names_version("a", 1));
  CHECK_FALSE(GivenFiles((at / "{model}.txt").string()).names_version("a", 1));
  CHECK(GivenFiles((at / "{model}@{version}.txt").string()).names_version("a", 1));
  CHECK(refused([&] { json.find("c", ""); }) == "not_found: the file of c is not there");
  CHECK(GivenFiles((at / "l.csv").string()).named() == std::set<std::string>{"a", "b"});
}

TEST_CASE("a list that is wrong is refused") {
  TempFolder folder;
  const fs::path at = folder.path();
  const auto of = [&](const std::string& name, const std::string& text) {
    write(at / name, text);
    return refused([&] { GivenFiles all((at / name).string()); });
  };
  CHECK(of("1.json", R"({"a": "x", "a": "y"})") == "invalid: a is named twice");
  CHECK(of("2.json", R"({"a": 7})").rfind("invalid: ", 0) == 0);
  CHECK(of("3.json", "[]").rfind("invalid: ", 0) == 0);
  CHECK(of("4.json", "{\"a\": \"\xff\"}") == "invalid: the list is not UTF-8");
  CHECK(of("1.csv", "a,x\n") == "invalid: the list does not begin with the line `model,file`");
  CHECK(of("2.csv", "model,file\na,x\na,y\n") == "invalid: a is named twice");
  CHECK(of("3.csv", "model,file\n,x\n").rfind("invalid: ", 0) == 0);
  CHECK(of("l.txt", "a") == "invalid: not a list of models and files");
  CHECK(of("5.json", std::string(9 << 20, ' ')).rfind("invalid: ", 0) == 0);
  CHECK(refused([&] { GivenFiles all((at / "none").string()); }).rfind("not_found: ", 0) == 0);
  CHECK(refused([] { GivenFiles all("models/{model}"); }) ==
        "invalid: `from` is not an absolute path");
}

TEST_CASE("bytes are taken with the metrics beside them; what is no model is refused") {
  TempFolder folder, state;
  const fs::path at = folder.path();
  ArtifactStore store(state.path());
  write(at / "a.txt", "A");
  write(at / "a.metrics.json", R"({"accuracy": 0.5})");
  GivenModel dry = take_given(at / "a.txt", "a", kText, nullptr);
  CHECK(dry.outputs.at("model") == sha256("A"));
  CHECK_FALSE(store.has(sha256("A")));
  GivenModel given = take_given(at / "a.txt", "a", kText, &store);
  CHECK(store.get(given.outputs.at("model")) == "A");
  CHECK(given.metrics == Json({{"accuracy", 0.5}}));
  CHECK(given.outputs.count("metrics") == 0);  // the step declares no such output
  write(at / "b" / "model.txt", "B");
  write(at / "b" / "metrics.json", R"({"loss": 1})");
  CHECK(take_given(at / "b" / "model.txt", "b", kText, &store).metrics == Json({{"loss", 1}}));

  write(at / "f" / "x", "1");
  write(at / "f" / "y" / "z", "2");
  GivenModel folded = take_given(at / "f", "f", kText, &store);
  CHECK(folded.folders.at("model"));
  CHECK(folded.outputs.at("model") ==
        take_given(at / "f", "f", kText, nullptr).outputs.at("model"));
  CHECK(store.has(sha256("2")));

  fs::create_symlink(at / "a.txt", at / "link.txt");
  CHECK(refused([&] { take_given(at / "link.txt", "l", kText, &store); }).rfind("invalid", 0) == 0);
  write(at / "bad.safetensors", "no tensors");
  CHECK(refused([&] {
          take_given(at / "bad.safetensors", "bad", {{"model", "m.safetensors"}}, &store);
        }).rfind("corrupt", 0) == 0);
  write(at / "a.metrics.json", R"({"accuracy": "good"})");
  CHECK(refused([&] { take_given(at / "a.txt", "a", kText, &store); }).rfind("invalid", 0) == 0);
}

TEST_CASE("the first difference is a byte, a tensor, or a file") {
  TempFolder state;
  ArtifactStore store(state.path());
  const auto between = [&](const std::string& a, const std::string& b) {
    return first_difference(store, store.put(a), store.put(b));
  };
  CHECK(between("abcd", "abXd") == "byte 2 of 4 is the first that differs");
  CHECK(between("ab", "abc") == "2 bytes then, 3 now; byte 2 is the first that differs");
  CHECK(first_difference(store, store.put("a"), sha256("never")) ==
        "the bytes of now are not here");
  const std::string was =
      write_safetensors({{}, {tensor("a", "same"), tensor("b", "1234"), tensor("c", "5")}});
  CHECK(between(was, write_safetensors(
                         {{}, {tensor("a", "same"), tensor("b", "1XX4"), tensor("c", "6")}})) ==
        "tensor `b` is the first that differs: 2 of 4 bytes, from byte 1");
  CHECK(between(was, write_safetensors({{}, {tensor("a", "same"), tensor("b", "123")}})) ==
        "tensor `b` was U8 [4], is U8 [3]");
  CHECK(between(was, write_safetensors({{}, {tensor("a", "same")}})) ==
        "tensor `b` is there no longer");
  CHECK(between(was,
                write_safetensors({{{"made", "later"}},
                                   {tensor("a", "same"), tensor("b", "1234"), tensor("c", "5")}}))
            .rfind("the tensors are equal", 0) == 0);
  const auto listing = [&](const std::string& text) {
    return folder_listing({{"w/x", store.put("x"), false, 1}, {"w/y", store.put(text), false, 1}});
  };
  CHECK(between(listing("old"), listing("oLd")) ==
        "file `w/y`: byte 1 of 3 is the first that differs");
}
