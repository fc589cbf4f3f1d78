#include "lib/ops/order.h"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "lib/base/error.h"

namespace stasis::ops {
namespace {

std::string without_comment(const std::string& line) {
    constexpr const char* kBlanks = " \t\r";
    const std::string text = line.substr(0, line.find('#'));
    const std::size_t begin = text.find_first_not_of(kBlanks);
    return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
}

int number(const std::string& text, const std::string& target) {
    int value = 0;
    const char* end = text.data() + text.size();
    const auto [rest, failure] = std::from_chars(text.data(), end, value);
    if (failure != std::errc() || rest != end)
        throw Error(Kind::failed, "the order of '" + target + "' is '" + text + "', which is no whole number")
            .hint(
                "correct org.stasis.order where the container has it (its annotation or label), or name it in the "
                "order file");
    return value;
}

}  // namespace

Order::Order(const std::string& text) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        const std::string target = without_comment(line);
        if (target.empty()) continue;
        if (std::find(lines_.begin(), lines_.end(), target) != lines_.end())
            throw Error(Kind::usage, "'" + target + "' stands twice in the order file").hint("leave one of them");
        lines_.push_back(target);
    }
}

Order Order::from_file(const std::optional<Path>& given) {
    if (given) return Order(sys::read_file(*given));
    const std::optional<std::string> text = sys::read_file_if_exists(kDefaultFile);
    return text ? Order(*text) : Order();
}

Rank Order::rank(const std::string& runtime, const std::string& container, const std::string& said) const {
    const auto line = std::find_if(lines_.begin(), lines_.end(),
                                   [&](const std::string& text) { return names(text, runtime, container); });
    if (line != lines_.end()) return {true, static_cast<int>(line - lines_.begin())};
    return {false, said.empty() ? 0 : number(said, runtime + ":" + container)};
}

bool names(const std::string& text, const std::string& runtime, const std::string& container) {
    return text == container || text == runtime + ":" + container;
}

}  // namespace stasis::ops
