#pragma once

#include "lib/runtime/oci_adapter.h"

namespace stasis::runtime {

/// Containers of runc.
class RuncAdapter : public OciAdapter {
  public:
    explicit RuncAdapter(Path root) : OciAdapter("runc", std::move(root), "state.json") {}

  protected:
    bool is_podmans(const std::string& container) const override;
    std::string mount_key(const proc::Mount& mount) const override;
    std::vector<std::string> restore_command(const Restore& restore) const override;
};

}  // namespace stasis::runtime
