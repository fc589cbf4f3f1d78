#include "lib/base/redact.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace stasis {
namespace {

std::string lower(std::string_view text) {
    std::string result(text);
    std::transform(result.begin(), result.end(), result.begin(), [](unsigned char c) { return std::tolower(c); });
    return result;
}

bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_space(char c) { return is_blank(c) || c == '\n' || c == '\r' || c == '\0'; }
bool is_quote(char c) { return c == '"' || c == '\'' || c == '`'; }
bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.'; }

/// Copies a text and leaves out the values that follow a name.
class TextRedaction {
  public:
    explicit TextRedaction(std::string_view text) : text_(text) {}

    std::string run() {
        while (at_ < text_.size()) {
            const std::size_t begin = at_;
            while (is_word(here(at_))) ++at_;
            const std::string_view word = text_.substr(begin, at_ - begin);
            result_ += word;
            if (word.empty())
                copy_to(at_ + 1);
            else if (word.ends_with("-----BEGIN"))  // a key or a certificate as PEM
                hide_to(text_.find("-----END", at_));
            else if (text_.substr(at_).starts_with("://"))
                redact_login();
            else if (names_secret(word))
                redact_value(word.front() == '-');
        }
        return std::move(result_);
    }

  private:
    /// A space past the end, too.
    char here(std::size_t at) const { return at < text_.size() ? text_[at] : '\n'; }

    void copy_to(std::size_t end) {
        end = std::min(end, text_.size());
        result_ += text_.substr(at_, end - at_);
        at_ = end;
    }
    void hide_to(std::size_t end) {
        end = std::min(end, text_.size());
        if (end > at_) result_ += kRedacted;
        at_ = std::max(at_, end);
    }

    /// `://user:password@`
    void redact_login() {
        copy_to(at_ + 3);
        const std::size_t end = std::min(text_.find_first_of("/ \t\n\r\"'", at_), text_.size());
        const std::string_view authority = text_.substr(at_, end - at_);
        const std::size_t colon = authority.find(':');
        const std::size_t host = authority.rfind('@');
        if (colon == std::string_view::npos || host == std::string_view::npos || host < colon) return;
        const std::size_t host_at = at_ + host;
        copy_to(at_ + colon + 1);
        hide_to(host_at);
    }

    /// After a name: its value, if one follows.
    void redact_value(bool is_option) {
        std::size_t at = at_;
        while (is_quote(here(at)) || here(at) == '\\') ++at;
        const std::size_t end_of_name = at;
        while (is_blank(here(at))) ++at;
        const std::size_t separator = at;
        while (here(at) == '=' || here(at) == ':' || here(at) == '>') ++at;
        const bool announced = at > separator || (is_option && at > end_of_name);
        if (!announced) return;
        const bool to_end_of_line = here(separator) == ':';
        while (is_blank(here(at))) ++at;
        copy_to(at);
        hide_to(end_of_value(to_end_of_line));
    }

    /// A value ends like a word of a shell, or (`header: value`) with its line.
    std::size_t end_of_value(bool to_end_of_line) const {
        const bool escaped = here(at_) == '\\' && is_quote(here(at_ + 1));
        if (to_end_of_line && !escaped && !is_quote(here(at_))) return std::min(text_.find('\n', at_), text_.size());
        std::size_t at = at_;
        while (at < text_.size() && !is_space(text_[at])) {
            const bool starts_escaped = escaped && at == at_;
            if (starts_escaped || is_quote(text_[at])) {
                at = end_of_quoted(starts_escaped ? at + 1 : at, starts_escaped);
                if (std::string_view(",;)}]").find(here(at)) != std::string_view::npos) break;
            } else {
                at += text_[at] == '\\' ? 2 : 1;
            }
        }
        return at;
    }

    /// Past the quote that belongs to the one at `begin`; where there is none, the end of the line.
    std::size_t end_of_quoted(std::size_t begin, bool escaped) const {
        for (std::size_t at = begin + 1; at < text_.size(); ++at) {
            if (text_[at] == text_[begin]) return at + 1;
            if (text_[at] != '\\') continue;
            if (escaped && here(at + 1) == text_[begin]) return at + 2;
            ++at;
        }
        return std::min(text_.find('\n', begin), text_.size());
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::string result_;
};

bool is_environment(const std::string& key) {
    const std::string name = lower(key);
    return name == "env" || name == "environment";
}

Json hide(const Json& value) { return value.is_null() || value.is_boolean() ? value : Json(kRedacted); }

Json redact_environment(const Json& variables) {
    if (!variables.is_structured()) return hide(variables);
    Json result = variables;
    for (auto& variable : result) {
        const std::string text = variables.is_array() && variable.is_string() ? variable.get<std::string>() : "";
        const std::size_t equals = text.find('=');
        variable =
            equals == std::string::npos ? Json(kRedacted) : Json(text.substr(0, equals + 1) + std::string(kRedacted));
    }
    return result;
}

/// What names the value in {"name": …, "value": …} or {"key": …, "value": …}: the key of its name.
std::string label_of_pair(const Json& object) {
    if (object.contains("value"))
        for (const char* label : {"name", "key"})
            if (object.contains(label) && object.at(label).is_string()) return label;
    return "";
}

Json redact_object(const Json& object) {
    const std::string label = label_of_pair(object);
    Json result = Json::object();
    for (const auto& [key, value] : object.items()) {
        const bool secret = key == "value" && !label.empty() ? names_secret(object.at(label).get<std::string>())
                                                             : key != label && names_secret(key);
        result[key] = secret ? hide(value) : is_environment(key) ? redact_environment(value) : redact_json(value);
    }
    return result;
}

bool is_secret_option(const Json& argument) {
    if (!argument.is_string()) return false;
    const std::string text = argument;
    return text.starts_with('-') && std::all_of(text.begin(), text.end(), is_word) && names_secret(text);
}

/// How an engine's command line sets variables: `-e NAME=VALUE`, `--env NAME=VALUE`, `--env=NAME=VALUE`.
constexpr std::string_view kEnvironmentOption = "--env";

/// The argument `--env=NAME=VALUE` without its value; others as redact_json() has them.
Json redact_argument(const Json& argument) {
    const std::string with_variable = std::string(kEnvironmentOption) + "=";
    if (!argument.is_string() || !argument.get<std::string>().starts_with(with_variable)) return redact_json(argument);
    const Json variable = argument.get<std::string>().substr(with_variable.size());
    return with_variable + redact_environment(Json::array({variable})).at(0).get<std::string>();
}

Json redact_array(const Json& array) {
    Json result = Json::array();
    bool is_value = false;
    bool is_variable = false;
    for (const Json& element : array) {
        if (is_value)
            result.push_back(hide(element));
        else
            result.push_back(is_variable ? redact_environment(Json::array({element})).at(0) : redact_argument(element));
        is_value = is_secret_option(element);
        is_variable = element == "-e" || element == kEnvironmentOption;
    }
    return result;
}

/// Annotations hold whole documents at times.
std::string redact_string(const std::string& text) {
    const Json inner = text.starts_with('{') || text.starts_with('[') ? Json::parse(text, nullptr, false) : Json();
    if (!inner.is_structured()) return redact_text(text);
    return redact_json(inner).dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

bool names_secret(std::string_view name) {
    constexpr std::array<std::string_view, 7> kAnywhere{"password", "passwd",     "passphrase",   "secret",
                                                        "token",    "credential", "authorization"};
    constexpr std::array<std::string_view, 4> kAtItsEnd{"key", "keys", "_pass", "_pwd"};
    std::string text = "_" + lower(name);
    std::replace_if(
        text.begin(), text.end(), [](char c) { return c == '-' || c == '.'; }, '_');
    return std::any_of(kAnywhere.begin(), kAnywhere.end(),
                       [&](std::string_view part) { return text.find(part) != std::string::npos; }) ||
           std::any_of(kAtItsEnd.begin(), kAtItsEnd.end(), [&](std::string_view part) { return text.ends_with(part); });
}

std::string redact_text(std::string_view text) { return TextRedaction(text).run(); }

Json redact_json(const Json& document) {
    if (document.is_object()) return redact_object(document);
    if (document.is_array()) return redact_array(document);
    if (document.is_string()) return redact_string(document);
    return document;
}

}  // namespace stasis
