// SPDX-License-Identifier: MIT
// Pages that leave an object: evicted, or beyond its new end; and those that were written.
#include "vm/ids.hpp"
#include "vm/object_users.hpp"

namespace vm {

bool MemoryObject::begin_leaving(std::uint64_t first, std::uint64_t end) {
    if (leaving_end_ != 0) return false;
    leaving_first_ = first;
    leaving_end_ = end;
    return true;
}

Result<void> MemoryObject::evict(std::uint64_t index) {
    if (source_ != Source::pager) return Error::unsupported;
    {
        const Guard guard(lock_);
        const Slot* const slot = index < pages_ ? find(index) : nullptr;
        if (slot == nullptr || !slot->load().present()) return Error::not_found;
        // From here on nobody gets it, and who has it finds out before it makes an entry of it.
        if (!begin_leaving(index, index + 1)) return Error::would_block;
    }
    change_everywhere(index, index + 1, &AddressSpace::maps_any, &AddressSpace::drop_cached);
    const Guard guard(lock_);
    leaving_end_ = 0;
    Slot& slot = *find(index);
    const PhysAddr frame = slot.load().frame();
    if (frame_record(frame).written.load() || has_users(frame) ||
        has_users(find_table(index).frame()))
        return Error::would_block;
    take_page(slot);
    return {};
}

bool MemoryObject::is_read_through(std::uint64_t first) const {
    const auto any = [&](auto& self, Entry table, Level level, std::uint64_t start) -> bool {
        if (!table.present() || start + level_pages(level + 1) <= first) return false;
        if (level == 1) return has_users(table.frame());
        const auto* const slots = static_cast<const Slot*>(direct(table.frame()));
        for (unsigned index = 0; index < table_entries; ++index)
            if (self(self, slots[index].load(), level - 1, start + index * level_pages(level)))
                return true;
        return false;
    };
    return any(any, root_, level_, 0);
}

void MemoryObject::take_page(Slot& slot) {
    const PhysAddr frame = slot.load().frame();
    slot.store(Entry::uncached());
    release_frame(frame);
    resident_ = resident_ - 1;
    if (source_ == Source::zeros) return; // charged with the whole of it
    charged_ -= 1;
    account_.release({1});
}

Result<void> MemoryObject::resize(PageCount pages) {
    if (pages.value == 0 || pages > limit) return Error::invalid_argument;
    if (source_ == Source::boot) return Error::unsupported;
    std::uint64_t old = 0;
    {
        const Guard guard(lock_);
        old = pages_;
        if (pages.value >= old) return lengthen(pages.value);
        if (!begin_leaving(pages.value, old)) return Error::would_block;
        pages_ = pages.value;
    }
    change_everywhere(pages.value, old, &AddressSpace::maps_any, &AddressSpace::drop_cached);
    for (;; port::spin_wait()) {
        const Guard guard(lock_);
        // Who let go of a table has its processors flush it now.
        if (is_read_through(pages.value)) continue;
        leaving_end_ = 0;
        const Entry root = root_;
        if (root.present() && drop_from(root, level_, pages.value)) root_ = Entry::uncached();
        lower_root(pages.value);
        return {};
    }
}

Result<void> MemoryObject::lengthen(std::uint64_t pages) {
    if (leaving_end_ != 0) return Error::would_block; // some that leave may be there still
    const Level level = level_for(pages);
    const bool zeros = source_ == Source::zeros;
    const std::uint64_t more = zeros ? charge_for(pages) - charge_for(pages_) : 0;
    TRY(account_.charge({more}));
    charged_ += more;
    for (Entry root = root_; level_ < level && root.present(); ++level_) {
        const auto frame = make_level(0);
        if (!frame) {
            lower_root(pages_);
            return frame.error();
        }
        static_cast<Slot*>(direct(*frame))->store(root);
        root_ = root = Entry::table(*frame, false);
    }
    level_ = level;
    pages_ = pages;
    return {};
}

void MemoryObject::lower_root(std::uint64_t pages) {
    const Level level = level_for(pages);
    for (Entry root = root_; level_ > level && root.present(); --level_) {
        const PhysAddr frame = root.frame();
        root_ = root = static_cast<const Slot*>(direct(frame))->load();
        free_level(frame);
    }
    level_ = level;
    if (source_ != Source::zeros || charged_ == charge_for(pages)) return;
    const std::uint64_t less = charged_ - charge_for(pages);
    account_.release({less});
    charged_ -= less;
}

void MemoryObject::free_level(PhysAddr frame) {
    free_frame(frame);
    if (source_ == Source::zeros) return;
    charged_ -= 1;
    account_.release({1});
}

bool MemoryObject::drop_from(Entry table, Level level, std::uint64_t first) {
    auto* const slots = static_cast<Slot*>(direct(table.frame()));
    bool any_left = false;
    for (unsigned index = 0; index < table_entries; ++index) {
        const Entry entry = slots[index].load();
        if (!entry.present()) continue;
        const std::uint64_t start = index * level_pages(level);
        if (first >= start + level_pages(level)) {
            any_left = true;
        } else if (level == 1) {
            take_page(slots[index]);
        } else if (drop_from(entry, level - 1, first > start ? first - start : 0)) {
            slots[index].store(Entry::uncached());
        } else {
            any_left = true;
        }
    }
    if (!any_left) free_level(table.frame());
    return !any_left;
}

std::size_t MemoryObject::collect_written(std::uint64_t first, std::uint64_t end,
                                          std::span<std::uint64_t> written) {
    change_everywhere(first, end, &AddressSpace::writes_any, &AddressSpace::protect_cached);
    const Guard guard(lock_);
    std::size_t count = 0;
    end = std::min<std::uint64_t>(end, pages_);
    for (std::uint64_t index = first; index < end && count < written.size();) {
        const Slot* const slot = find(index);
        if (slot == nullptr) { // nothing in what one table of pages would hold
            index = align_down(index, table_entries) + table_entries;
            continue;
        }
        const Entry entry = slot->load();
        if (entry.present() && frame_record(entry.frame()).written.exchange(false))
            written[count++] = index;
        ++index;
    }
    return count;
}

} // namespace vm
