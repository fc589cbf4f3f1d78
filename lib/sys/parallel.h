#pragma once

#include <algorithm>
#include <cstddef>
#include <future>
#include <thread>
#include <vector>

namespace stasis::sys {

/// Splits [0, count) among all cores: `work(first, last)` is called once for each part. Throws what one of them throws.
template <typename Work>
void in_parallel(std::size_t count, const Work& work) {
    const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
    const std::size_t share = (count + cores - 1) / cores;
    std::vector<std::future<void>> others;
    for (std::size_t first = share; first < count; first += share)
        others.push_back(std::async(std::launch::async, work, first, std::min(first + share, count)));
    if (count > 0) work(std::size_t{0}, std::min(share, count));
    for (std::future<void>& other : others) other.get();
}

}  // namespace stasis::sys
