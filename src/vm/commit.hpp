// SPDX-License-Identifier: MIT
// Commit charge: a promise of memory is made only when it can be kept, so that a touch of charged
// memory never fails and nothing need be killed for it.
#pragma once

#include "lib/address.hpp"
#include "lib/result.hpp"

#include <atomic>

namespace vm {

/// What one process (or the kernel) is charged for, in pages.
class Account {
public:
    /// Charges. Error: no_memory when memory as a whole, limit_reached when the quota, is exceeded.
    Result<void> charge(PageCount pages);
    /// Gives a charge back.
    void release(PageCount pages);
    PageCount charged() const { return {charged_.load(std::memory_order_relaxed)}; }
    /// Forgets what was charged, when memory as a whole begins afresh.
    void reset() { charged_.store(0, std::memory_order_relaxed); }
    void set_quota(PageCount quota) { quota_ = quota.value; }

private:
    std::atomic<std::uint64_t> charged_{0};
    std::uint64_t quota_ = ~0ULL;
};

/// The most that can be promised and kept: the frames that are free now, less those that the
/// descriptors of tables take, if ever all the rest were tables. For `set_commit_limit`, at boot.
PageCount commit_capacity();
/// Sets how many pages may be promised in all, and that none are yet. Called once at boot, after
/// `initialise_frames` and before any space is made.
void set_commit_limit(PageCount limit);
PageCount commit_limit();
PageCount committed();

} // namespace vm
