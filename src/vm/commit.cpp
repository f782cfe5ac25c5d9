// SPDX-License-Identifier: MIT
// Commit charge: purses, the pool behind them, and the limit.
#include "vm/commit.hpp"

#include "vm/commit_pool.hpp"

#include "vm/table.hpp"

#include <algorithm>

namespace vm {

namespace commit_detail {
constinit Purses purses[port::cpu_limit]{};
constinit Atomic<std::uint64_t> purse_limit{0};
} // namespace commit_detail
using namespace commit_detail;

constinit Guarded<CommitPool, Rank::commit> commit_pool;

namespace {

/// Pages that a CPU takes beyond what it needs at once.
constexpr std::uint64_t batch = 64;

constexpr std::uint64_t credit_of(std::uint64_t word) { return word % credit_end; }
constexpr Backing backing_of(std::uint64_t word) {
    return static_cast<Backing>((word >> backing_shift) & 1);
}
/// The account whose label a word carries. Addresses are canonical, so the sign tells the rest.
Account& account_of(std::uint64_t word) {
    const std::int64_t address = static_cast<std::int64_t>(word) >> label_shift;
    return *reinterpret_cast<Account*>(address & -static_cast<std::int64_t>(alignof(Account)));
}

} // namespace

void CommitPool::begin(std::uint64_t limit) {
    for (Purses& cpu : purses)
        for (auto& word : cpu.words) word.store(0, std::memory_order_relaxed);
    limit_ = limit;
    held_ = 0;
    cpus_ = 0;
}

Result<void> CommitPool::check(const Quota* quota, std::uint64_t pages) {
    for (; quota != nullptr; quota = quota->parent_)
        if (!fits(pages, quota->held_, quota->limit_.value)) return Error::limit_reached;
    return {};
}

Result<void> CommitPool::hold(Account& account, std::uint64_t pages, Backing backing) {
    if (backing == Backing::fresh && !fits(pages, held_, limit_)) return Error::no_memory;
    TRY(check(account.quota_, pages));
    if (backing == Backing::fresh) held_ += pages;
    account.held_ += pages;
    for (Quota* quota = account.quota_; quota != nullptr; quota = quota->parent_)
        quota->held_ += pages;
    return {};
}

void CommitPool::lower(Quota* quota, std::uint64_t pages) {
    for (; quota != nullptr; quota = quota->parent_) quota->held_ -= pages;
}

void CommitPool::leave(Account& account, std::uint64_t pages) {
    require(pages <= account.held_, "more was released than charged");
    account.held_ -= pages;
}

void CommitPool::give_back_left(const Account& account, std::uint64_t pages) {
    held_ -= pages;
    lower(account.quota_, pages);
}

void CommitPool::give_back(Account& account, std::uint64_t pages, Backing backing) {
    leave(account, pages);
    if (backing == Backing::fresh) held_ -= pages;
    lower(account.quota_, pages);
}

Result<void> CommitPool::hold_record(Quota* quota) {
    if (!check(quota, 1)) empty_all();
    TRY(check(quota, 1));
    for (; quota != nullptr; quota = quota->parent_) ++quota->held_;
    return {};
}

void CommitPool::give_record_back(Quota* quota) { lower(quota, 1); }

void CommitPool::empty(Atomic<std::uint64_t>& purse) {
    const std::uint64_t word = purse.exchange(0, std::memory_order_relaxed);
    if (word != 0) give_back(account_of(word), credit_of(word), backing_of(word));
}

void CommitPool::empty_all() {
    for (Purses& cpu : std::span(purses, cpus_))
        for (auto& purse : cpu.words) empty(purse);
}

void CommitPool::empty_all_of(Account& account) {
    for (const Backing backing : {Backing::fresh, Backing::kernel}) {
        for (unsigned cpu = 0; cpu < cpus_; ++cpu) {
            Atomic<std::uint64_t>& purse = account.purse(cpu, backing);
            const std::uint64_t word = purse.load(std::memory_order_relaxed);
            if (word != 0 && &account_of(word) == &account) empty(purse);
        }
    }
}

void CommitPool::include(unsigned cpu) {
    if (cpu < cpus_) return;
    cpus_ = cpu + 1;
    // All CPUs together may keep half of what there is; but no more than a word has room for.
    purse_limit.store(std::clamp(limit_ / (2 * cpus_), batch, credit_end - 1),
                      std::memory_order_relaxed);
}

template <typename Visit>
void CommitPool::for_each_credit(Visit&& visit) const {
    for (const Purses& cpu : std::span(purses, cpus_)) {
        for (const auto& purse : cpu.words) {
            const std::uint64_t word = purse.load(std::memory_order_relaxed);
            if (word != 0) visit(account_of(word), backing_of(word), credit_of(word));
        }
    }
}

std::uint64_t CommitPool::committed() const {
    std::uint64_t sum = held_;
    for_each_credit([&](const Account&, Backing backing, std::uint64_t credit) {
        if (backing == Backing::fresh) sum -= credit;
    });
    return sum;
}

std::uint64_t CommitPool::charged(const Account& account) const {
    std::uint64_t sum = account.held_;
    for_each_credit([&](const Account& owner, Backing, std::uint64_t credit) {
        if (&owner == &account) sum -= credit;
    });
    return sum;
}

std::uint64_t CommitPool::charged(const Quota& quota) const {
    std::uint64_t sum = quota.held_;
    for_each_credit([&](const Account& owner, Backing, std::uint64_t credit) {
        for (const Quota* above = owner.quota_; above != nullptr; above = above->parent_)
            if (above == &quota) sum -= credit;
    });
    return sum;
}

Result<void> Account::charge_slowly(PageCount pages, Backing backing) {
    if (pages.value == 0) return {};
    auto pool = commit_pool.lock();
    Atomic<std::uint64_t>& purse = own_purse(backing);
    pool->empty(purse);
    if (pages.value < ~0ULL - batch && pool->hold(*this, pages.value + batch, backing)) {
        pool->include(port::cpu());
        purse.store(label(backing) | batch, std::memory_order_relaxed);
        return {};
    }
    if (pool->hold(*this, pages.value, backing)) return {};
    pool->empty_all();
    return pool->hold(*this, pages.value, backing);
}

void Account::release_slowly(PageCount pages, Backing backing) {
    if (pages.value == 0) return;
    auto pool = commit_pool.lock();
    Atomic<std::uint64_t>& purse = own_purse(backing);
    pool->empty(purse);
    const std::uint64_t kept = std::min(pages.value, batch);
    pool->give_back(*this, pages.value - kept, backing);
    pool->include(port::cpu());
    purse.store(label(backing) | kept, std::memory_order_relaxed);
}

void Account::leave_to_quotas(PageCount pages) {
    const auto pool = commit_pool.lock();
    CommitPool::leave(*this, pages.value);
}
void Account::take_from_quotas(PageCount pages) {
    const auto pool = commit_pool.lock();
    CommitPool::take_over(*this, pages.value);
}
void Account::release_left(PageCount pages) const {
    commit_pool.lock()->give_back_left(*this, pages.value);
}
void Account::settle() { commit_pool.lock()->empty_all_of(*this); }
PageCount Account::charged() const { return {commit_pool.lock()->charged(*this)}; }
void Account::reset() {
    const auto pool = commit_pool.lock();
    CommitPool::forget(*this);
}

PageCount commit_capacity() {
    // Each table is charged for its frame at least, so there are never more than this leaves room
    // for; upper tables are charged for their summaries too.
    constexpr std::uint64_t tables_per_descriptor_frame = page_size / sizeof(TableDescriptor);
    const std::uint64_t free = frame_statistics().by_kind[static_cast<unsigned>(FrameKind::free)];
    return {free - free / tables_per_descriptor_frame - 1};
}

void set_commit_limit(PageCount pages) { commit_pool.lock()->begin(pages.value); }
PageCount commit_limit() { return {commit_pool.lock()->limit()}; }
PageCount committed() { return {commit_pool.lock()->committed()}; }

} // namespace vm
