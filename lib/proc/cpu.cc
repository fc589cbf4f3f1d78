#include "lib/proc/cpu.h"

#include <algorithm>
#include <array>
#include <sstream>

#include "lib/sys/file.h"

namespace stasis::proc {
namespace {

/// Names of arch/x86/include/asm/cpufeatures.h (Linux 6.18). erms and fsrm are left out: they make
/// an instruction fast that every processor has.
constexpr auto kInstructions = std::to_array<std::string_view>({
    "3dnow",      "3dnowext",  "3dnowprefetch", "abm",     "adx",       "aes",      "bmi1",       "bmi2",
    "cldemote",   "clflush",   "clflushopt",    "clwb",    "clzero",    "cmov",     "cmpccxadd",  "cx16",
    "cx8",        "enqcmd",    "f16c",          "fma",     "fma4",      "fpu",      "fsgsbase",   "fxsr",
    "fxsr_opt",   "gfni",      "hle",           "lahf_lm", "lwp",       "mmx",      "mmxext",     "monitorx",
    "movbe",      "movdir64b", "movdiri",       "ospke",   "pclmulqdq", "pni",      "popcnt",     "ptwrite",
    "rdpid",      "rdpru",     "rdrand",        "rdseed",  "rdtscp",    "rtm",      "serialize",  "sha512",
    "sha_ni",     "sm3",       "sm4",           "tbm",     "tsc",       "tsxldtrk", "user_shstk", "vaes",
    "vpclmulqdq", "waitpkg",   "wbnoinvd",      "xgetbv1", "xop",       "xsave",    "xsavec",     "xsaveopt",
});
/// Families that grow with each processor.
constexpr auto kFamilies = std::to_array<std::string_view>({"amx_", "avx", "sse", "ssse"});

bool is_for_programs(const std::string& flag) {
    return std::find(kInstructions.begin(), kInstructions.end(), flag) != kInstructions.end() ||
           std::any_of(kFamilies.begin(), kFamilies.end(),
                       [&](std::string_view family) { return flag.starts_with(family); });
}

}  // namespace

std::vector<std::string> cpu_features(std::string_view cpuinfo) {
    std::vector<std::string> features;
    std::istringstream lines{std::string(cpuinfo)};
    for (std::string line; features.empty() && std::getline(lines, line);) {
        const bool x86 = line.starts_with("flags");
        // On Arm they are what the kernel tells programs, and nothing else.
        if (!x86 && !line.starts_with("Features")) continue;
        std::istringstream words(line.substr(std::min(line.find(':'), line.size() - 1) + 1));
        for (std::string word; words >> word;)
            if (!x86 || is_for_programs(word)) features.push_back(word);
    }
    std::sort(features.begin(), features.end());
    return features;
}

std::vector<std::string> cpu_features() { return cpu_features(sys::read_file_if_exists("/proc/cpuinfo").value_or("")); }

}  // namespace stasis::proc
