#pragma once

#include <sys/auxv.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace stasis::libexec {

/// Becomes the program that would have been found had this one not been there: the next of its name in PATH, with the
/// same arguments. It looks behind the last place of this one alone, so that it never comes back to itself, whatever
/// else stands in for the same program.
[[noreturn]] inline void become_next(char** argv) {
    constexpr int kNotFound = 127;
    const std::string self = reinterpret_cast<const char*>(::getauxval(AT_EXECFN));
    const std::string name = self.substr(self.rfind('/'));
    const char* variable = std::getenv("PATH");
    const std::string path = variable != nullptr ? variable : "/usr/sbin:/usr/bin:/sbin:/bin";
    std::vector<std::string> places;
    for (std::size_t begin = 0, end = 0; begin <= path.size(); begin = end + 1) {
        end = std::min(path.find(':', begin), path.size());
        places.push_back(path.substr(begin, end - begin) + name);
        if (places.back() == self) places.clear();
    }
    for (const std::string& place : places) (void)::execv(place.c_str(), argv);
    std::fprintf(stderr, "%s: can't be started: %s\n", name.c_str() + 1, std::strerror(errno));
    std::exit(kNotFound);
}

}  // namespace stasis::libexec
