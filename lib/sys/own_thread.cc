#include "lib/sys/own_thread.h"

#include <exception>
#include <thread>

namespace stasis::sys {

void in_own_thread(const std::function<void()>& body) {
    std::exception_ptr failure;
    std::thread([&] {
        try {
            body();
        } catch (...) {
            failure = std::current_exception();
        }
    }).join();
    if (failure) std::rethrow_exception(failure);
}

}  // namespace stasis::sys
