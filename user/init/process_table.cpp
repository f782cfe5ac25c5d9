// SPDX-License-Identifier: MIT
// The processes that init knows.
#include "user/init/process_table.hpp"

#include "user/lib/calls.hpp"

namespace init {

ProcessTable::ProcessTable() {
    Entry self{};
    self.listed.id = user::process_id();
    if (const auto info = user::process_info(abi::no_handle)) {
        __builtin_memcpy(self.listed.name, info->name, sizeof self.listed.name);
    }
    entries_.push(std::move(self));
}

Result<std::uint64_t> ProcessTable::enroll(user::OwnedHandle process, std::uint64_t parent) {
    const auto info = TRY(user::process_info(process.get()));
    user::MutexLock lock(mutex_);
    if (look_up(info.id) != nullptr) return info.id;
    if (entries_.size() >= limit / 2) forget_ended();
    if (entries_.size() >= limit) return Error::limit_reached;
    Entry entry{};
    entry.listed = {.id = info.id, .parent = parent, .name = {}};
    __builtin_memcpy(entry.listed.name, info.name, sizeof info.name);
    entry.handle = std::move(process);
    // Ids nearly always grow: the place is the end, or a few before it.
    entries_.push(std::move(entry));
    for (std::size_t i = entries_.size() - 1;
         i > 0 && entries_[i - 1].listed.id > entries_[i].listed.id; --i) {
        std::swap(entries_[i - 1], entries_[i]);
    }
    return info.id;
}

Result<void> ProcessTable::remove(std::uint64_t id) {
    user::MutexLock lock(mutex_);
    Entry* entry = look_up(id);
    if (entry == nullptr) return Error::not_found;
    if (!has_ended(*entry)) return Error::not_permitted;
    entries_.erase(static_cast<std::size_t>(entry - entries_.begin()));
    return {};
}

Result<ProcessTable::Listed> ProcessTable::next(std::uint64_t id) {
    user::MutexLock lock(mutex_);
    for (std::size_t i = 0; i < entries_.size();) {
        const Entry& entry = entries_[i];
        if (entry.listed.id <= id) {
            ++i;
        } else if (has_ended(entry)) {
            entries_.erase(i);
        } else {
            return entry.listed;
        }
    }
    return Error::not_found;
}

Result<abi::ProcessInfo> ProcessTable::info(std::uint64_t id) {
    user::MutexLock lock(mutex_);
    const Entry* entry = look_up(id);
    if (entry == nullptr) return Error::not_found;
    return user::process_info(entry->handle.get());
}

Result<user::OwnedHandle> ProcessTable::find(std::uint64_t id, std::uint32_t rights) {
    user::MutexLock lock(mutex_);
    const Entry* entry = look_up(id);
    if (entry == nullptr || has_ended(*entry)) return Error::not_found;
    if (!entry->handle) return Error::not_permitted;
    return user::OwnedHandle(TRY(user::handle_duplicate(entry->handle.get(), rights)));
}

bool ProcessTable::has_ended(const Entry& entry) {
    if (!entry.handle) return false;
    const auto info = user::process_info(entry.handle.get());
    return !info || info->exited != 0;
}

ProcessTable::Entry* ProcessTable::look_up(std::uint64_t id) {
    for (Entry& entry : entries_) {
        if (entry.listed.id == id) return &entry;
    }
    return nullptr;
}

void ProcessTable::forget_ended() {
    for (std::size_t i = entries_.size(); i-- > 0;) {
        if (has_ended(entries_[i])) entries_.erase(i);
    }
}

} // namespace init
