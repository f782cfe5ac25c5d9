// SPDX-License-Identifier: MIT
// Commit charge: a promise of memory is made only when it can be kept, so that a touch of charged
// memory never fails and nothing need be killed for it.
//
//   machine (limit) ◄── quota ◄── quota ◄── account ◄── a purse on each CPU: credit
//
// What an account is charged counts against its quota, all quotas above, and the machine. Credit is
// charged already and not used yet: a batch of it lies in a purse of the CPU that took it, so
// charging and releasing change one word of the CPU's own. Where a limit is met, all credit is
// called back before anybody is refused: so a refusal means that the sum really would exceed it.
//
// Purses belong to CPUs and hold credit for whichever account was charged there last. Counters by
// CPU in every account would cost each process a line for each CPU; few lines shared by many CPUs
// would be written by several. So memory is a line a CPU whatever the number of processes, and a
// change of account on a CPU costs what a fresh batch costs.
#pragma once

#include "lib/address.hpp"
#include "lib/result.hpp"
#include "vm/atomic.hpp"
#include "vm/port.hpp"

namespace vm {

class Quota;

/// What stands behind a charge.
enum class Backing : std::uint8_t {
    fresh,  ///< memory of its own
    kernel, ///< memory that the kernel's account is charged for already (its heap, its stacks): it
            ///< counts for the account and its quotas, and not for the machine again
};

namespace commit_detail {

/// One CPU's purses. A word is the label of an account (its address, 64-byte aligned, less the
/// upper 16 bits, and the backing) and the credit, in pages:
///
///   63                22  21      20    0
///   | address bits 47-6 | backing | credit |       0: empty
struct alignas(64) Purses {
    static constexpr unsigned ways = 4; ///< for each backing, chosen by the account's address
    Atomic<std::uint64_t> words[2 * ways];
};
extern Purses purses[port::cpu_limit];
/// A release that leaves more credit than this in a purse gives it back.
extern Atomic<std::uint64_t> purse_limit;

inline constexpr unsigned label_shift = 16;
inline constexpr unsigned backing_shift = 21;
inline constexpr std::uint64_t credit_end = 1ULL << backing_shift;

} // namespace commit_detail

/// What one process (or the kernel) is charged for, in pages. All of it may be called on several
/// CPUs at once, under any lock of lower rank than `commit`.
class alignas(64) Account {
public:
    /// From here on charges count against the same quotas as the other's.
    void count_as(const Account& other) { quota_ = other.quota_; }
    /// From here on charges count against `quota` too, which must live as long as it is charged;
    /// null: against the machine alone. Called before the first charge.
    void count_against(Quota* quota) { quota_ = quota; }

    /// Charges. Error: no_memory when memory as a whole, limit_reached when a quota is exceeded.
    Result<void> charge(PageCount pages, Backing backing = Backing::fresh) {
        Atomic<std::uint64_t>& purse = own_purse(backing);
        std::uint64_t word = purse.load(std::memory_order_relaxed);
        const std::uint64_t credit = word - label(backing);
        // Another CPU may call the credit back at any time: then the word is another.
        if (credit < commit_detail::credit_end && pages.value <= credit &&
            purse.compare_exchange_strong(word, word - pages.value, std::memory_order_relaxed))
            [[likely]]
            return {};
        return charge_slowly(pages, backing);
    }
    /// Gives a charge back.
    void release(PageCount pages, Backing backing = Backing::fresh) {
        Atomic<std::uint64_t>& purse = own_purse(backing);
        std::uint64_t word = purse.load(std::memory_order_relaxed);
        const std::uint64_t credit = word - label(backing);
        if (credit < commit_detail::credit_end &&
            credit + pages.value <= commit_detail::purse_limit.load(std::memory_order_relaxed) &&
            purse.compare_exchange_strong(word, word + pages.value, std::memory_order_relaxed))
            [[likely]]
            return;
        release_slowly(pages, backing);
    }
    /// Leaves so many pages of its charge to its quotas and the machine, where they stay until an
    /// account of the same quotas takes them for its own, or gives them back.
    void leave_to_quotas(PageCount pages);
    void take_from_quotas(PageCount pages);
    void release_left(PageCount pages) const;
    /// Gives back what credit CPUs hold for it. Called when it ends: afterwards nothing refers to
    /// it until it is charged or released again.
    void settle();

    /// Charged now, credit left out. Looks at every CPU's purse.
    PageCount charged() const;
    /// Forgets what was charged, when memory as a whole begins afresh.
    void reset();

private:
    friend class CommitPool;

    std::uint64_t label(Backing backing) const {
        return (reinterpret_cast<std::uintptr_t>(this) << commit_detail::label_shift) |
               (static_cast<std::uint64_t>(backing) << commit_detail::backing_shift);
    }
    Atomic<std::uint64_t>& purse(unsigned cpu, Backing backing) const {
        using commit_detail::Purses;
        constexpr std::uint64_t mixer = 0x9e37'79b9'7f4a'7c15; // 2^64 over the golden ratio
        constexpr unsigned way_bits = 2;
        static_assert(Purses::ways == 1U << way_bits);
        const std::uint64_t way =
            (reinterpret_cast<std::uintptr_t>(this) * mixer) >> (64 - way_bits);
        return commit_detail::purses[cpu]
            .words[static_cast<unsigned>(backing) * Purses::ways + way];
    }
    Atomic<std::uint64_t>& own_purse(Backing backing) const { return purse(port::cpu(), backing); }
    Result<void> charge_slowly(PageCount pages, Backing backing);
    void release_slowly(PageCount pages, Backing backing);

    Plain<std::uint64_t> held_ = 0; ///< charged, credit included; under the pool's lock
    Plain<Quota*> quota_ = nullptr;
};

/// The most that can be promised and kept: the frames that are free now, less those that the
/// descriptors of tables take, if ever all the rest were tables. For `set_commit_limit`, at boot.
PageCount commit_capacity();
/// Sets how many pages may be promised in all, and that none are yet. Called once at boot, after
/// `initialise_frames` and before any space is made.
void set_commit_limit(PageCount limit);
PageCount commit_limit();
/// Promised in all, credit left out.
PageCount committed();

} // namespace vm
