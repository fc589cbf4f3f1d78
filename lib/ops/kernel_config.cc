#include "lib/ops/kernel_config.h"

#include <cctype>
#include <sstream>

#include "lib/base/error.h"
#include "lib/sys/archive.h"
#include "lib/sys/package.h"

namespace stasis::ops {
namespace {

using sys::Path;

constexpr const char* kBefore = "boot/config-";   // Debian, SUSE
constexpr const char* kModules = "lib/modules/";  // Fedora: lib/modules/VERSION/config
constexpr const char* kConfig = "/config";

bool is_config(const std::string& name) {
    return name.find(kBefore) != std::string::npos ||
           (name.find(kModules) != std::string::npos && name.ends_with(kConfig));
}

/// "./boot/config-6.1.0-44-amd64", "lib/modules/6.19.4/config"
std::string release_in(const std::string& name) {
    if (const std::size_t at = name.find(kBefore); at != std::string::npos)
        return name.substr(at + std::string(kBefore).size());
    const Path path = name;
    return name.find(kModules) != std::string::npos ? path.parent_path().filename().string() : "";
}

/// "# Linux/x86 6.12.107 Kernel Configuration"
std::string release_in_heading(const std::string& text) {
    const std::size_t end = text.find(" Kernel Configuration");
    if (end == std::string::npos) return "";
    const std::size_t begin = text.rfind(' ', end - 1) + 1;
    return text.substr(begin, end - begin);
}

[[noreturn]] void refuse(const std::string& what) {
    throw Error(Kind::usage, what)
        .hint("name its version, as in /boot or `uname -r`, its package as a file (.deb, .rpm), or its configuration");
}

KernelConfig from_file(const Path& path) {
    if (const std::optional<sys::PackedFile> packed = sys::find_in_package(path, is_config))
        return parse_kernel_config(packed->text, release_in(packed->name), path.string() + ": " + packed->name);
    const KernelConfig config =
        parse_kernel_config(sys::read_decompressed(path), release_in(std::filesystem::absolute(path)), path);
    if (config.enabled.empty()) refuse("'" + path.string() + "' holds no configuration of a kernel");
    if (config.release.empty()) refuse("'" + path.string() + "' does not say of which kernel it is");
    return config;
}

}  // namespace

KernelConfig parse_kernel_config(const std::string& text, const std::string& release, const std::string& source) {
    KernelConfig config{release.empty() ? release_in_heading(text) : release, source, {}};
    std::istringstream lines(text);
    const std::string prefix = "CONFIG_";
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with(prefix) && (line.ends_with("=y") || line.ends_with("=m")))
            config.enabled.insert(line.substr(prefix.size(), line.size() - prefix.size() - 2));
    return config;
}

KernelConfig read_kernel_config(const std::string& kernel) {
    if (std::filesystem::is_regular_file(kernel)) return from_file(kernel);
    if (kernel.find('/') != std::string::npos) refuse("there is no file '" + kernel + "'");
    const std::string package = "linux-image-";
    const std::string release = kernel.starts_with(package) ? kernel.substr(package.size()) : kernel;
    if (release.empty() || std::isdigit(static_cast<unsigned char>(release.front())) == 0)
        refuse("'" + kernel + "' is no version of a kernel");
    for (const Path& path :
         {Path("/" + std::string(kBefore) + release), Path("/" + std::string(kModules) + release + kConfig)})
        if (std::filesystem::is_regular_file(path)) return parse_kernel_config(sys::read_file(path), release, path);
    return {release, "", {}};
}

}  // namespace stasis::ops
