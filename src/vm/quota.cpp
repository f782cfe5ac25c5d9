// SPDX-License-Identifier: MIT
// Quotas: their making and their end.
#include "vm/quota.hpp"

#include "vm/commit_pool.hpp"
#include "vm/heap.hpp"

namespace vm {

PageCount Quota::charged() const { return {commit_pool.lock()->charged(*this)}; }

Result<QuotaRef> QuotaRef::make(const QuotaRef& parent, PageCount limit) {
    if (limit > parent.limit()) return Error::not_permitted;
    TRY(commit_pool.lock()->hold_record(parent.get()));
    const auto made = heap_new<Quota>(parent.get(), limit);
    if (!made) {
        commit_pool.lock()->give_record_back(parent.get());
        return made.error();
    }
    QuotaRef(parent).leak(); // a reference for the new one
    QuotaRef quota;
    quota.quota_ = *made;
    return quota;
}

PageCount QuotaRef::limit() const { return quota_ != nullptr ? quota_->limit() : commit_limit(); }

void QuotaRef::drop() {
    while (quota_ != nullptr && quota_->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        Quota* const ended = std::exchange(quota_, quota_->parent_);
        require(ended->held_ == 0, "a quota ended while something was charged to it");
        commit_pool.lock()->give_record_back(quota_);
        heap_delete(ended);
    }
    quota_ = nullptr;
}

} // namespace vm
