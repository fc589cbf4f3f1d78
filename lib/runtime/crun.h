#pragma once

#include "lib/runtime/oci_adapter.h"

namespace stasis::runtime {

/// Containers of crun, where it is built with CRIU.
class CrunAdapter : public OciAdapter {
  public:
    explicit CrunAdapter(Path root) : OciAdapter("crun", std::move(root), "status") {}

  protected:
    std::string restore_obstacle() const override;
    bool is_podmans(const std::string& container) const override;
    std::string mount_key(const proc::Mount& mount) const override;
    void complete(Description& description) const override;
    std::string criu_configuration(const RestorePlan& plan) const override;
    std::vector<std::string> restore_command(const Restore& restore) const override;
    void clear_remains(const Json& details) const override;
};

}  // namespace stasis::runtime
