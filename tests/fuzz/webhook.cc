// Deliveries of webhooks: bytes without the secret are never taken; signed ones are read or
// refused, and nothing of them that is passed on could do harm. The input: a letter for the forge,
// lines of headers, an empty line, the body.
#include "connectors/forge/hook.h"
#include "connectors/forge/names.h"
#include "connectors/forge/signature.h"
#include "pipeline/base/base64.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/json.h"
#include "pipeline/base/text.h"
#include "tests/fuzz/fuzz.h"

using namespace lockstep;
using fuzz::claim;

namespace {

const std::string kSecret = "c3c1f0e1-5f9b-4a55-9a40-0e5a63b1f2f7";
constexpr int64_t kNow_ms = 1'772'546'400'000;

struct Input {
  HookSpec spec;
  HookRequest request;
  bool standard = false;  // signed as Standard Webhooks
};

Input read_input(std::string_view text) {
  static constexpr Forge kForges[] = {Forge::kGithub,    Forge::kGitlab,  Forge::kGitea,
                                      Forge::kBitbucket, Forge::kDolthub, Forge::kGeneric};
  Input input;
  std::string_view rest;
  const std::string_view kind = fuzz::first_line(text, &rest);
  const size_t letter = kind.empty() ? 0 : static_cast<unsigned char>(kind[0]) - 'a';
  input.spec.name = "fuzz";
  input.spec.forge = kForges[letter % 6];
  input.standard = input.spec.forge == Forge::kGeneric ||
                   (input.spec.forge == Forge::kGitlab && kind.size() > 1);
  const bool whsec = input.standard && input.spec.forge == Forge::kGitlab;
  input.spec.secrets = {whsec ? "whsec_" + base64(kSecret) : kSecret};
  if (input.spec.forge == Forge::kDolthub) input.spec.signature_header = "X-Signature";
  for (size_t headers = 0; headers < 250 && !rest.empty(); ++headers) {
    const std::string_view line = fuzz::first_line(rest, &rest);
    if (line.empty()) break;
    const size_t colon = line.find(':');
    const std::string_view value = colon == line.npos ? "" : line.substr(colon + 1);
    input.request.headers.emplace_back(line.substr(0, colon), value);
  }
  input.request.body = rest;
  input.request.received_ms = kNow_ms;
  return input;
}

std::string hex_mac(std::string_view text) {
  const std::string mac = hmac_sha256(kSecret, text);
  return hex({reinterpret_cast<const uint8_t*>(mac.data()), mac.size()});
}

// As the forge signs; its own headers of that kind are taken away.
HookRequest sign(const Input& input, std::string_view body) {
  HookRequest request = input.request;
  request.body = body;
  auto put = [&](const std::string& name, const std::string& value) {
    std::erase_if(request.headers, [&](auto& one) { return lower_case(one.first) == name; });
    request.headers.emplace_back(name, value);
  };
  if (input.standard) {
    const std::string time = std::to_string(kNow_ms / 1000), id = "fuzz-1";
    put("webhook-id", id);
    put("webhook-timestamp", time);
    const std::string mac =
        hmac_sha256(signing_key(input.spec.secrets[0]), id + "." + time + "." + std::string(body));
    put("webhook-signature", "v1," + base64(mac));
    return request;
  }
  switch (input.spec.forge) {
    case Forge::kGithub:
      put("x-hub-signature-256", "sha256=" + hex_mac(body));
      break;
    case Forge::kGitea:
      put("x-gitea-signature", hex_mac(body));
      break;
    case Forge::kBitbucket:
      put("x-hub-signature", "sha256=" + hex_mac(body));
      break;
    case Forge::kDolthub:
      put("x-signature", hex_mac(body));
      break;
    default:
      put("x-gitlab-token", kSecret);
  }
  return request;
}

void check_text(const std::string& text, size_t limit = kHookUrlLimit) {
  claim(text.size() <= limit && valid_utf8(text) && !has_control(text), "texts are harmless");
}

void check(const Delivery& delivery) {
  for (const HookRef& ref : delivery.refs) {
    claim(ref.branch.empty() || ref.tag.empty(), "a ref is a branch or a tag");
    for (const std::string& name : {ref.branch, ref.tag}) {
      claim(name.empty() || good_ref_name(name), "names are good ones");
    }
    for (const std::string& commit : {ref.before, ref.after}) {
      claim(commit.empty() || good_commit_id(commit), "ids are ids");
    }
  }
  if (delivery.ci) claim(good_commit_id(delivery.ci->commit), "CI ran on a commit");
  for (const std::string& url : delivery.urls) claim(good_hook_url(url), "addresses are good ones");
  for (const std::string& text :
       {delivery.repository, delivery.target, delivery.action, delivery.sender, delivery.id}) {
    check_text(text);
  }
  claim(!delivery.marks.empty(), "a delivery can be known again");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  if (text.find(kSecret) != text.npos || text.find(base64(kSecret)) != text.npos) return 0;
  const Input input = read_input(text);
  const bool taken = fuzz::reads([&] { (void)read_delivery(input.spec, input.request); });
  claim(!taken, "nothing is taken without the secret");
  const HookRequest request = sign(input, input.request.body);
  Delivery delivery;
  if (!fuzz::reads([&] { delivery = read_delivery(input.spec, request); })) return 0;
  check(delivery);
  if (input.spec.forge == Forge::kGitlab && !input.standard) return 0;  // signs nothing
  std::string other(input.request.body);
  other.empty() ? other.push_back(' ') : void(other[size % other.size()] ^= 1);
  HookRequest changed = request;
  changed.body = other;
  claim(!fuzz::reads([&] { (void)read_delivery(input.spec, changed); }),
        "a changed body is denied");
  return 0;
}
