#include "lib/base/error.h"

#include <cerrno>
#include <cstring>

namespace stasis {

Error system_error(int errno_value, std::string_view doing) {
    Error error(Kind::failed, "cannot " + std::string(doing) + ": " + std::strerror(errno_value));
    if (errno_value == ENOSPC || errno_value == EDQUOT)
        error.hint("free some space there, or name another store with --store or --dir");
    if (errno_value == EROFS)
        error.hint("the file system is mounted read-only; name another store with --store or --dir");
    return error;
}

}  // namespace stasis
