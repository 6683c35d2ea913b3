// The loader: yaml-cpp's events into our own tree, with every budget checked on the way, so that
// no hostile document is ever held in a form larger than its limits.
#include <fmt/core.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <unordered_map>

#include "pipeline/base/json.h"
#include "pipeline/yaml/yaml.h"

namespace lockstep {

class YamlBuilder : public YAML::EventHandler {
 public:
  YamlBuilder(std::string_view file, const YamlLimits& limits)
      : file_(std::make_shared<const std::string>(file)), limits_(limits) {
    root_.file_ = file_;
  }

  YamlNode take() { return std::move(root_); }

  [[noreturn]] void refuse(const YAML::Mark& mark, std::string message, std::string hint = "") {
    throw Error(ErrorCode::kInvalid, std::move(message), std::move(hint), place(mark).str());
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) {
      refuse(mark, "a second YAML document begins here", "one file holds one document");
    }
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    YamlNode node = begin(mark, "?", 0);
    finish(mark, std::move(node), anchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    YamlNode node = begin(mark, tag, value.size());
    if (value.find('\0') != std::string::npos || !valid_utf8(value)) {
      refuse(mark, "the text here holds a NUL or is not UTF-8 once its escapes are read");
    }
    node.kind_ = YamlKind::kScalar;
    node.quoted_ = tag == "!";
    node.text_ = value;
    finish(mark, std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    auto found = anchors_.find(anchor);
    if (found == anchors_.end()) refuse(mark, "an alias stands inside its own anchor");
    const Anchored& target = found->second;
    if (static_cast<int>(frames_.size()) + target.depth > limits_.max_depth) too_deep(mark);
    spend(mark, target.nodes, target.bytes);
    attach(mark, target.node, target.depth);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, YamlKind::kList);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, YamlKind::kMap);
  }
  void OnMapEnd() override { close(); }

 private:
  // An open list or map. Entries of a map arrive as key, value, key, value.
  struct Frame {
    YamlNode node;
    YAML::Mark mark;
    YAML::anchor_t anchor;
    size_t nodes_before;
    size_t bytes_before;
    int depth;  // of the deepest node inside so far, this one being 1
    bool has_key = false;
    std::string key;
    Place key_place;
    std::unordered_map<std::string, Place> keys;
  };
  struct Anchored {
    YamlNode node;
    size_t nodes;
    size_t bytes;
    int depth;
  };

  Place place(const YAML::Mark& mark) const {
    if (mark.is_null()) return {*file_, 1, 1};
    return {*file_, mark.line + 1, mark.column + 1};
  }

  [[noreturn]] void too_deep(const YAML::Mark& mark) {
    refuse(mark, fmt::format("nested deeper than {} levels", limits_.max_depth));
  }

  void spend(const YAML::Mark& mark, size_t nodes, size_t bytes) {
    nodes_ += nodes;
    bytes_ += bytes;
    if (nodes_ > limits_.max_nodes) {
      refuse(mark, fmt::format("more than {} values once aliases are expanded", limits_.max_nodes));
    }
    if (bytes_ > limits_.max_expanded) {
      refuse(mark, fmt::format("more than {} bytes of text once aliases are expanded",
                               limits_.max_expanded));
    }
  }

  YamlNode begin(const YAML::Mark& mark, const std::string& tag, size_t bytes) {
    if (tag != "?" && tag != "!") {
      refuse(mark, fmt::format("the tag \"{}\" is not allowed", shown(tag)),
             "write a plain value; quote it to make it text");
    }
    spend(mark, 1, bytes);
    YamlNode node;
    node.file_ = file_;
    Place at = place(mark);
    node.line_ = at.line;
    node.column_ = at.column;
    return node;
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YamlKind kind) {
    if (static_cast<int>(frames_.size()) >= limits_.max_depth) too_deep(mark);
    if (expects_key()) {
      refuse(mark, "a key must be text, not a map or a list",
             "close the bracket here, or quote a key that begins with one");
    }
    size_t nodes_before = nodes_;
    size_t bytes_before = bytes_;
    YamlNode node = begin(mark, tag, 0);
    node.kind_ = kind;
    frames_.push_back(
        {std::move(node), mark, anchor, nodes_before, bytes_before, 1, false, {}, {}, {}});
  }

  void close() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    if (frame.anchor != 0) {
      anchors_[frame.anchor] = {frame.node, nodes_ - frame.nodes_before,
                                bytes_ - frame.bytes_before, frame.depth};
    }
    attach(frame.mark, std::move(frame.node), frame.depth);
  }

  void finish(const YAML::Mark& mark, YamlNode node, YAML::anchor_t anchor) {
    if (anchor != 0) anchors_[anchor] = {node, 1, node.text_.size(), 1};
    attach(mark, std::move(node), 1);
  }

  bool expects_key() const {
    return !frames_.empty() && frames_.back().node.is_map() && !frames_.back().has_key;
  }

  void attach(const YAML::Mark& mark, YamlNode node, int depth) {
    if (frames_.empty()) {
      root_ = std::move(node);
      return;
    }
    if (expects_key()) return take_key(mark, node);
    Frame& frame = frames_.back();
    frame.depth = std::max(frame.depth, depth + 1);
    if (frame.node.is_list()) {
      frame.node.items_.push_back(std::move(node));
      return;
    }
    frame.has_key = false;
    if (node.is_null()) {  // there is nothing to point at: point at the key
      node.line_ = frame.key_place.line;
      node.column_ = frame.key_place.column;
    }
    frame.node.entries_.push_back({std::move(frame.key), frame.key_place, std::move(node)});
  }

  void take_key(const YAML::Mark& mark, const YamlNode& node) {
    Frame& frame = frames_.back();
    if (!node.is_scalar()) {
      refuse(mark, "a key must be text", "quote it, or write a word before the colon");
    }
    if (node.text() == "<<" && !node.quoted()) {
      refuse(mark, "merge keys (<<) are not supported", "write the keys out, or use an alias");
    }
    auto [known, fresh] = frame.keys.try_emplace(node.text(), place(mark));
    if (!fresh) {
      refuse(mark, fmt::format("the key \"{}\" stands twice in this map", shown(node.text())),
             fmt::format("first at {}", known->second.str()));
    }
    frame.has_key = true;
    frame.key = node.text();
    frame.key_place = place(mark);
  }

  std::shared_ptr<const std::string> file_;
  YamlLimits limits_;
  YamlNode root_;
  std::vector<Frame> frames_;
  std::map<YAML::anchor_t, Anchored> anchors_;
  size_t nodes_ = 0;
  size_t bytes_ = 0;
  int documents_ = 0;
};

namespace {

// yaml-cpp would take 0x04 for the end of the text and drop the rest, and UTF-16 for text.
void check_bytes(std::string_view text, std::string_view file, const YamlLimits& limits) {
  if (text.size() > limits.max_bytes) {
    throw Error(ErrorCode::kInvalid,
                fmt::format("the file has {} bytes; {} are allowed", text.size(), limits.max_bytes),
                "", Place{std::string(file), 1, 1}.str());
  }
  Place at{std::string(file), 1, 1};
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\t' && c != '\n' && c != '\r') || byte == 0x7f) {
      throw Error(ErrorCode::kInvalid, fmt::format("the control character 0x{:02x}", byte),
                  "YAML files are plain UTF-8 text", at.str());
    }
    ++at.column;
    if (c == '\n') at = {at.file, at.line + 1, 1};
  }
  if (!valid_utf8(text)) {
    throw Error(ErrorCode::kInvalid, "the file is not UTF-8 text", "save it as UTF-8",
                Place{std::string(file), 1, 1}.str());
  }
}

std::string syntax_message(const std::string& theirs) {
  bool open = theirs == "illegal document indicator in scalar" || theirs == "illegal EOF in scalar";
  return "not valid YAML: " + (open ? "a quoted text is never closed" : shown(theirs));
}

// The way out of a syntax error: an unquoted ${{ }} inside brackets is the likely one.
std::string syntax_hint(std::string_view text, int line) {
  for (; line > 0; --line) text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
  text = text.substr(0, text.find('\n'));
  if (text.substr(0, text.find_first_not_of(" \t")).find('\t') != std::string_view::npos) {
    return "indent with spaces, not with tabs";
  }
  if (text.find("${{") != std::string_view::npos) {
    return "inside { } or [ ] a value with ${{ … }} needs quotes";
  }
  return "check indentation, quotes and brackets here and just above";
}

}  // namespace

YamlNode load_yaml(std::string_view text, std::string_view file, YamlLimits limits) {
  check_bytes(text, file, limits);
  YamlBuilder builder(file, limits);
  try {
    // yaml-cpp closes an open quote silently at the end of the text, but not at an end mark.
    std::string marked(text);
    if (!marked.empty() && marked.back() != '\n') marked += '\n';
    std::istringstream stream(marked + "...\n");
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& error) {
    builder.refuse(error.mark, syntax_message(error.msg), syntax_hint(text, error.mark.line));
  }
  return builder.take();
}

}  // namespace lockstep
