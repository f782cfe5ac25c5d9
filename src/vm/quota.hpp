// SPDX-License-Identifier: MIT
// Quota: how much a process and all that it starts may be charged together.
#pragma once

#include "lib/address.hpp"
#include "lib/result.hpp"
#include "vm/atomic.hpp"

#include <cstdint>
#include <utility>

namespace vm {

/// A limit in pages, within those above it. Stays as long as somebody refers to it: the processes
/// that count against it, and quotas below it. So what outlives the process that it was made for
/// stays under it.
class Quota {
public:
    PageCount limit() const { return limit_; }
    /// Charged now by all that count against it. Looks at every CPU's purses.
    PageCount charged() const;

    /// For `QuotaRef::make`.
    Quota(Quota* parent, PageCount limit) : parent_(parent), limit_(limit) {}

private:
    friend class CommitPool;
    friend class QuotaRef;

    const Plain<Quota*> parent_; ///< null: the machine; holds a reference
    const PageCount limit_;
    Plain<std::uint64_t> held_ = 0; ///< charged, credit included; under the pool's lock
    Atomic<std::uint32_t> references_{1};
};

/// A counted reference to a quota; none stands for the machine.
class QuotaRef {
public:
    constexpr QuotaRef() = default;
    QuotaRef(const QuotaRef& other) : quota_(other.quota_) {
        if (quota_ != nullptr) quota_->references_.fetch_add(1, std::memory_order_relaxed);
    }
    QuotaRef(QuotaRef&& other) noexcept : quota_(std::exchange(other.quota_, nullptr)) {}
    QuotaRef& operator=(QuotaRef other) noexcept {
        std::swap(quota_, other.quota_);
        return *this;
    }
    /// Takes heap and commit rank, for the last one.
    ~QuotaRef() { drop(); }

    /// A quota below `parent`, which is charged a page for it, so that quotas in quotas end
    /// somewhere. Errors: not_permitted (more than the parent's own limit), limit_reached (no room
    /// for the page), no_memory. Takes heap and commit rank.
    static Result<QuotaRef> make(const QuotaRef& parent, PageCount limit);

    Quota* get() const { return quota_; }
    /// The limit, or the machine's.
    PageCount limit() const;

private:
    void drop();
    void leak() { quota_ = nullptr; }

    Quota* quota_ = nullptr;
};

} // namespace vm
