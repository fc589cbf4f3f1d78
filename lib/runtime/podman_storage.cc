#include "lib/runtime/podman_storage.h"

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <sstream>
#include <vector>

#include "lib/sys/file.h"

namespace stasis::runtime {
namespace {

namespace fs = std::filesystem;

/// The one file that counts, "" where there is none. Nothing where others may count as well.
std::optional<std::string> read_configuration() {
    if (const char* chosen = std::getenv("CONTAINERS_STORAGE_CONF")) return sys::read_file_if_exists(chosen);
    const std::vector<sys::Path> folders{"/etc/containers", "/usr/share/containers"};
    for (const sys::Path& folder : folders)
        if (fs::exists(folder / "storage.conf.d")) return std::nullopt;
    for (const sys::Path& folder : folders)
        if (const auto text = sys::read_file_if_exists(folder / "storage.conf")) return text;
    return "";
}

/// The folder that the line `key = "/path"` names, or `usual` where there is no such line.
std::optional<sys::Path> folder_in(const std::string& configuration, std::string_view key, const sys::Path& usual) {
    std::istringstream lines(configuration);
    for (std::string line; std::getline(lines, line);) {
        std::string name, equals, value;
        std::istringstream(line) >> name >> equals >> value;
        if (!name.starts_with(key)) continue;
        const bool is_plain = name == key && equals == "=" && value.size() > 2 && value.find_first_of("\"'") == 0 &&
                              value.back() == value.front() && value[1] == '/';
        if (!is_plain) return std::nullopt;
        return value.substr(1, value.size() - 2);
    }
    return usual;
}

bool has_list_with(const sys::Path& root, const std::string& container) {
    if (!fs::exists(root)) return false;
    for (const fs::directory_entry& folder : fs::directory_iterator(root)) {
        if (!folder.path().filename().string().ends_with("-containers")) continue;
        for (const fs::directory_entry& file : fs::directory_iterator(folder)) {
            if (!file.path().filename().string().ends_with("containers.json")) continue;
            if (sys::read_file(file.path()).find('"' + container) != std::string::npos) return true;
        }
    }
    return false;
}

}  // namespace

bool podman_may_know(const std::string& container) {
    try {
        const std::optional<std::string> configuration = read_configuration();
        if (!configuration) return true;
        const auto lasting = folder_in(*configuration, "graphroot", "/var/lib/containers/storage");
        const auto passing = folder_in(*configuration, "runroot", "/run/containers/storage");
        if (!lasting || !passing) return true;
        return has_list_with(*lasting, container) || has_list_with(*passing, container);
    } catch (const std::exception&) {
        return true;
    }
}

}  // namespace stasis::runtime
