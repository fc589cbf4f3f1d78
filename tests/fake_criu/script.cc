#include "tests/fake_criu/script.h"

#include <cstdlib>
#include <sstream>

namespace fake {

Script Script::from_environment() {
    Script script;
    const char* text = std::getenv("FAKE_CRIU_SCRIPT");
    std::istringstream words(text == nullptr ? "" : text);
    for (std::string word; words >> word;) script.words_.push_back(word);
    return script;
}

bool Script::has(std::string_view word) const {
    for (const std::string& each : words_)
        if (each == word) return true;
    return false;
}

std::optional<std::string> Script::at(std::string_view verb, std::string_view step) const {
    const std::string prefix = std::string(verb) + ":" + std::string(step);
    for (const std::string& word : words_) {
        if (word == prefix) return "";
        if (word.starts_with(prefix + ":")) return word.substr(prefix.size() + 1);
    }
    return std::nullopt;
}

std::string Script::version() const {
    for (const std::string& word : words_)
        if (word.starts_with("version:")) return word.substr(word.find(':') + 1);
    return "4.1.1";
}

}  // namespace fake
