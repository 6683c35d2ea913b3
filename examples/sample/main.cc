// lockstep-sample: makes the examples' tables. Knows nothing of Lockstep's own commands.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "examples/sample/intents.h"
#include "examples/sample/tables.h"
#include "pipeline/base/error.h"
#include "pipeline/base/files.h"

namespace {

using namespace lockstep;
using namespace lockstep::sample;
using Arguments = std::vector<std::string>;

constexpr const char* kUsage =
    "lockstep-sample quickstart WORDING TABLES\n"
    "    the tables of examples/quickstart from its wording/*.txt\n"
    "lockstep-sample rack CLIENTS WORDING TABLES\n"
    "    the same for so many clients, each with its own rows in one of these wordings\n"
    "lockstep-sample relabel TABLES CLIENT PART FROM TO\n"
    "    rows of CLIENT that hold PART and are labelled FROM become TO\n"
    "lockstep-sample intents DATA.json DOMAINS.json TRUNK TABLES\n"
    "    CLINC150's form as tables, a client per domain; TRUNK: a CSV of text,label or a wording\n";

std::vector<Utterance> from_wording(const fs::path& file) {
  const Wording wording = parse_wording(real_files().read(file), file.string());
  return make_utterances(wording, file.stem().string(), Noise{});
}

// Ids of a client begin at a round number, so that a row's id tells whose it is.
constexpr int64_t kIdsPerClient = 1'000;

std::vector<fs::path> wordings_of_clients(const fs::path& folder) {
  std::vector<fs::path> clients;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().filename().string().rfind("client-", 0) == 0) clients.push_back(entry.path());
  }
  std::sort(clients.begin(), clients.end());
  return clients;
}

void quickstart(const Arguments& arg) {
  const fs::path wording = arg[0], tables = arg[1];
  const std::vector<fs::path> clients = wordings_of_clients(wording);
  int64_t first_id = 1;
  for (const fs::path& file : clients) {
    write_client(tables, file.stem().string(), first_id += kIdsPerClient, from_wording(file));
  }
  write_corpus(tables, from_wording(wording / "corpus.txt"));
  write_schemas(tables);
}

void rack(const Arguments& arg) {
  const fs::path wording = arg[1], tables = arg[2];
  const std::vector<fs::path> wordings = wordings_of_clients(wording);
  const int clients = std::atoi(arg[0].c_str());
  if (clients < 1 || clients > 10'000) {
    throw Error(ErrorCode::kInvalid, "CLIENTS is a number from 1 to 10000");
  }
  for (int n = 1; n <= clients; ++n) {
    const fs::path& file = wordings[static_cast<size_t>(n - 1) % wordings.size()];
    const std::string client = "client-" + std::to_string(n);
    const Wording said = parse_wording(real_files().read(file), file.string());
    write_client(tables, client, n * kIdsPerClient + 1, make_utterances(said, client, Noise{}));
  }
  write_corpus(tables, from_wording(wording / "corpus.txt"));
  write_schemas(tables);
}

void relabel_rows(const Arguments& arg) {
  const size_t changed = relabel(arg[0], arg[1], arg[2], arg[3], arg[4]);
  std::printf("%zu rows of %s: %s → %s\n", changed, arg[1].c_str(), arg[3].c_str(), arg[4].c_str());
}

void intents(const Arguments& arg) {
  const fs::path trunk = arg[2], tables = arg[3];
  int64_t next_id = 1;
  for (const auto& [domain, rows] : read_domains(arg[0], arg[1])) {
    write_client(tables, domain, next_id, rows);
    std::printf("%-20s %6zu rows\n", domain.c_str(), rows.size());
    next_id += static_cast<int64_t>(rows.size());
  }
  write_corpus(tables, trunk.extension() == ".csv" ? read_pairs(trunk) : from_wording(trunk));
  write_schemas(tables);
}

struct Mode {
  const char* name;
  size_t arguments;
  std::function<void(const Arguments&)> run;
};

const Mode kModes[] = {{"quickstart", 2, quickstart},
                       {"rack", 3, rack},
                       {"relabel", 5, relabel_rows},
                       {"intents", 4, intents}};

}  // namespace

int main(int argc, char** argv) {
  const Arguments arg(argv + 1, argv + argc);
  for (const Mode& mode : kModes) {
    if (arg.empty() || arg[0] != mode.name || arg.size() != mode.arguments + 1) continue;
    try {
      mode.run(Arguments(arg.begin() + 1, arg.end()));
      return 0;
    } catch (const std::exception& e) {
      std::fprintf(stderr, "lockstep-sample: %s\n", e.what());
      return 1;
    }
  }
  std::fputs(kUsage, stderr);
  return 2;
}
