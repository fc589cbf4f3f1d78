#pragma once

#include <optional>

#include "lib/ops/examine.h"
#include "lib/pages/parent.h"
#include "lib/store/checkpoint.h"

namespace stasis::ops {

/// Goes along with a stop whose target is to live on elsewhere. Whatever a call throws ends the dump, and the target
/// runs on; but gone() comes too late for that, and does not throw.
class Escort {
  public:
    virtual ~Escort() = default;
    /// Is it to be dumped without the memory that can follow when it runs elsewhere (CRIU's --lazy-pages)? Its
    /// checkpoint is no state to come back from then. Asked once the target was looked at.
    virtual bool keeps_memory() const = 0;
    /// The target was looked at and can be dumped. The manifest has no files yet.
    virtual void looked(const Examination& found, const store::Manifest& draft) = 0;
    /// It still runs, and its checkpoint is begun. Returns memory that the dump is to be compared with, if there is
    /// any.
    virtual std::optional<pages::Parent> copy_ahead(const Examination& found, const store::Folders& folders) = 0;
    /// CRIU waits for our word to freeze it.
    virtual void freezing() = 0;
    /// It stands still, and its images are written.
    virtual void frozen(const runtime::Description& described, const store::Folders& folders) = 0;
    /// It still stands still, and its state is sealed. The last moment at which it can go on.
    virtual void sealed(const store::Manifest& manifest) = 0;
    /// It has been killed: none of its tasks runs again here.
    virtual void gone() noexcept = 0;
};

}  // namespace stasis::ops
