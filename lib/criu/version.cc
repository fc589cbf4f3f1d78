#include "lib/criu/version.h"

#include <cstdio>

#include "lib/base/error.h"

namespace stasis::criu {

std::string Version::text() const {
    const std::string short_form = std::to_string(major_number) + "." + std::to_string(minor_number);
    return sublevel == 0 ? short_form : short_form + "." + std::to_string(sublevel);
}

Version Version::parse(const std::string& text) {
    Version version;
    if (std::sscanf(text.c_str(), "%d.%d.%d", &version.major_number, &version.minor_number, &version.sublevel) < 2)
        throw Error(Kind::damaged, "'" + text + "' is not a version of CRIU");
    return version;
}

}  // namespace stasis::criu
