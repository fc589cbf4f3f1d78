#include "lib/store/names.h"

#include <algorithm>
#include <cctype>
#include <string_view>

#include "lib/base/error.h"

namespace stasis::store {
namespace {

constexpr std::size_t kLongestName = 200;

bool is_plain(const std::string& name) {
    constexpr std::string_view kPunctuation = "._-+:@";
    return !name.empty() && name.size() <= kLongestName && name.front() != '.' && name.front() != '-' &&
           std::all_of(name.begin(), name.end(), [&](unsigned char letter) {
               return (letter < 0x80 && std::isalnum(letter) != 0) ||
                      kPunctuation.find(static_cast<char>(letter)) != std::string_view::npos;
           });
}

void check_plain(const std::string& what, const std::string& name) {
    if (!is_plain(name))
        throw Error(Kind::usage, "'" + name + "' can't be the name of a " + what)
            .hint("use up to 200 letters, digits and . _ - + : @, not beginning with a dot or a dash");
}

}  // namespace

void check_container_name(const std::string& name) { check_plain("container", name); }

void check_checkpoint_name(const std::string& name) {
    check_plain("checkpoint", name);
    if (name == "lock" || name.ends_with(".partial") || name.starts_with("failed-"))
        throw Error(Kind::usage, "the store keeps the name '" + name + "' for itself").hint("choose another name");
}

}  // namespace stasis::store
