#pragma once

#include <functional>
#include <string>

namespace stasis {

/// How secrets are found in a piece of evidence.
enum class EvidenceFormat {
    text,
    json,
    binary,  ///< holds none
};

/// One piece of a bug report: its name in there, and how it is had.
struct Evidence {
    std::string name;
    /// Throws where it can't be had; the report then says why.
    std::function<std::string()> read;
    EvidenceFormat format = EvidenceFormat::text;
};

}  // namespace stasis
