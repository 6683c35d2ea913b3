// Utterances made from a wording file: templates with slots, weights and slips of the keyboard.
// Knows nothing of tables. Same file, same utterances, on every machine.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep::sample {

struct Utterance {
  std::string text;
  std::string label;
};

// A file of lines:
//   # comment
//   room: kitchen | hall           a slot; `open` and `close` stand before and after every sentence
//   [lights_on 40]                 a label and how many utterances it gets
//   (turn|switch) on the {room}    a template: one of the words in (), one value of the slot in {}
//   = turn it off                  stands in the result once, as it is
struct Wording {
  struct Section {
    std::string label;
    size_t count = 0;
    std::vector<std::string> verbatim;
    std::vector<std::string> templates;
  };
  std::map<std::string, std::vector<std::string>> slots;
  std::vector<Section> sections;
};

// Throws invalid with `place` and the line.
Wording parse_wording(std::string_view text, const std::string& place);

struct Noise {
  double typos = 0.2;          // share of utterances with one slip: a letter lost, doubled, swapped
  double wrong_labels = 0.04;  // share of utterances under another label of the same wording
};

// All sections' utterances in a shuffled order that follows from `name` alone.
std::vector<Utterance> make_utterances(const Wording& wording, std::string_view name,
                                       const Noise& noise);

}  // namespace lockstep::sample
