// SPDX-License-Identifier: MIT
// CommitPool: the totals behind all purses. Only commit.cpp and quota.cpp look at it.
#pragma once

#include "vm/commit.hpp"
#include "vm/lock.hpp"
#include "vm/quota.hpp"

namespace vm {

/// All that is changed under the lock of rank `commit`. Whatever is held by an account is held by
/// its quotas as well and, if fresh, by the machine; credit in purses is part of it.
class CommitPool {
public:
    void begin(std::uint64_t limit);
    std::uint64_t limit() const { return limit_; }

    /// Raises what is held from the account up to the machine, all or none. Errors: no_memory,
    /// limit_reached.
    Result<void> hold(Account& account, std::uint64_t pages, Backing backing);
    void give_back(Account& account, std::uint64_t pages, Backing backing);
    /// So much of what the account holds is its quotas' alone from now on, and the other way round.
    static void leave(Account& account, std::uint64_t pages);
    static void take_over(Account& account, std::uint64_t pages) { account.held_ += pages; }
    /// Gives back what accounts of the same quotas left.
    void give_back_left(const Account& account, std::uint64_t pages);
    /// The same for a page that the kernel's heap holds for `quota` itself.
    Result<void> hold_record(Quota* quota);
    void give_record_back(Quota* quota);

    /// Takes the credit out of a purse and gives it back. Whoever charges or releases there next
    /// comes for this lock: so once all purses are empty the totals are exact, and stay so.
    void empty(Atomic<std::uint64_t>& purse);
    void empty_all();
    void empty_all_of(Account& account);
    /// `cpu` is about to hold credit.
    void include(unsigned cpu);

    /// Sums that leave credit out.
    std::uint64_t committed() const;
    std::uint64_t charged(const Account& account) const;
    std::uint64_t charged(const Quota& quota) const;
    static void forget(Account& account) { account.held_ = 0; }

private:
    /// Calls visit(Account&, Backing, credit) for every purse that is not empty.
    template <typename Visit>
    void for_each_credit(Visit&& visit) const;
    static bool fits(std::uint64_t pages, std::uint64_t held, std::uint64_t limit) {
        return pages <= limit && held <= limit - pages;
    }
    static Result<void> check(const Quota* quota, std::uint64_t pages);
    /// Takes so much from what a quota and all above it hold.
    static void lower(Quota* quota, std::uint64_t pages);

    Plain<std::uint64_t> limit_ = ~0ULL;
    Plain<std::uint64_t> held_ = 0; ///< fresh pages charged in all, credit included
    Plain<unsigned> cpus_ = 0;      ///< the purses of CPUs from this number on are empty
};

extern Guarded<CommitPool, Rank::commit> commit_pool;

} // namespace vm
