#include "lib/store/percent.h"

#include <array>
#include <cstdio>

namespace stasis::store {

std::string encode_path(const std::string& path) {
    std::string result;
    for (const char byte : path) {
        if (byte > 0x20 && byte < 0x7f && byte != '%') {
            result.push_back(byte);
            continue;
        }
        std::array<char, 4> code{};
        (void)std::snprintf(code.data(), code.size(), "%%%02x", static_cast<unsigned char>(byte));
        result += code.data();
    }
    return result;
}

std::string decode_path(const std::string& text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size()) {
            result.push_back(static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16)));
            i += 2;
        } else {
            result.push_back(text[i]);
        }
    }
    return result;
}

}  // namespace stasis::store
