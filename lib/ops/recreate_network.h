#pragma once

#include <string>
#include <vector>

#include "lib/base/progress.h"
#include "lib/store/manifest.h"
#include "lib/sys/file.h"

namespace stasis::ops {

/// A network namespace by path that is gone, as after a reboot, made again as a checkpoint recorded it: its devices
/// with their addresses and routes, and on the host its bridges and the other ends of its veths. Those stay down until
/// connect(): what comes in before its sockets are there would be answered with a reset.
/// While one is held, no other run of stasis makes or undoes one: containers may share a namespace or a bridge.
class RecreatedNetwork {
  public:
    /// Does nothing where the namespace is there. Throws Kind::damaged, with nothing made, where the checkpoint holds
    /// no record, or one of something that can't be made again, and Kind::failed where `ip` fails.
    RecreatedNetwork(const store::Manifest& manifest, Progress& progress);
    /// Takes away what was made, unless connect() was called.
    ~RecreatedNetwork();
    RecreatedNetwork(const RecreatedNetwork&) = delete;
    RecreatedNetwork& operator=(const RecreatedNetwork&) = delete;

    /// Was it made here?
    bool made() const { return made_; }
    /// The target is restored: brings up the host's ends, also those that a run left down which was killed before this.
    /// Throws Kind::failed.
    void connect();

  private:
    using Words = std::vector<std::string>;
    void make();
    void make_bridge(const store::NetworkDevice& device);
    void make_veth(const store::NetworkDevice& outside);
    void make_inside(const store::NetworkDevice& device);
    void undo();
    static void add_routes(const Words& prefix, const std::vector<std::string>& routes);

    const sys::Path path_;
    const std::string name_;
    const store::NetworkRecord& record_;
    Progress& progress_;
    sys::UniqueFd lock_;
    bool made_ = false;
    std::vector<std::string> own_bridges_;
    std::vector<std::string> own_ends_;
};

}  // namespace stasis::ops
