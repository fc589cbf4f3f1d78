#pragma once

#include <exception>
#include <filesystem>

#include "lib/base/error.h"

namespace stasis {

/// Runs `body` and gives what it gives. What it throws is an Error: of Kind::failed for what the file system refused,
/// of Kind::internal for any other exception. For bodies whose failure something must be undone after, or said of.
template <typename Body>
auto as_errors(Body body) {
    try {
        return body();
    } catch (const Error&) {
        throw;
    } catch (const std::filesystem::filesystem_error& error) {
        throw Error(Kind::failed, error.what());
    } catch (const std::exception& error) {
        throw Error(Kind::internal, error.what());
    }
}

}  // namespace stasis
