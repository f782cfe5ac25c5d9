// SPDX-License-Identifier: MIT
// A table of words by address, and a list of what was written in a run.
#include "explorer/words.hpp"

#include "shim/walker.hpp"

#include <bit>
#include <cstring>

namespace explorer {

namespace {

constexpr std::size_t word_bytes = 8;
constexpr std::size_t page_bytes = 4096;

constexpr std::uint64_t mixed(std::uint64_t value) {
    value = (value ^ (value >> 32)) * 0x9e37'79b9'7f4a'7c15;
    return value ^ (value >> 29);
}

std::uint64_t value_at(std::uintptr_t address, std::size_t bytes) {
    std::uint64_t value = 0;
    std::memcpy(&value, reinterpret_cast<const void*>(address), bytes);
    return value;
}

/// Calls visit(address) for a word, or for each word of a page.
template <typename Visit>
void for_each_word(const MemoryAccess& access, Visit&& visit) {
    if (access.bytes <= word_bytes) return visit(access.address);
    for (std::size_t at = 0; at < access.bytes; at += word_bytes) visit(access.address + at);
}

} // namespace

Words::Words() : table_(1U << 12) {}

Words::Word& Words::of(std::uintptr_t address) {
    if (2 * used_ > table_.size()) grow();
    for (std::size_t at = mixed(address);; ++at) {
        Word& word = table_[at % table_.size()];
        if (word.address == address) return word;
        if (word.address != 0) continue;
        word.address = address;
        ++used_;
        return word;
    }
}

void Words::grow() {
    std::vector<Word> old(table_.size() * 2);
    old.swap(table_);
    used_ = 0;
    for (const Word& word : old)
        if (word.address != 0) of(word.address) = word;
}

void Words::begin() {
    ++run_;
    saved_.clear();
    pages_.clear();
}

bool Words::note(unsigned cpu, const MemoryAccess& access) {
    bool visible = false;
    const auto bit = static_cast<std::uint8_t>(1U << cpu);
    for_each_word(access, [&](std::uintptr_t address) {
        Word& word = of(address);
        (access.writes ? word.writers : word.readers) |= bit;
        visible = visible || word.visible;
    });
    return visible;
}

void Words::save(const MemoryAccess& access) {
    if (access.bytes > word_bytes) {
        if (access.bytes != page_bytes) throw shim::ModelError("an access of many words");
        saved_.push_back({access.address, access.bytes, pages_.size()});
        pages_.resize(pages_.size() + page_bytes);
        std::memcpy(pages_.data() + saved_.back().value,
                    reinterpret_cast<const void*>(access.address), page_bytes);
        return;
    }
    Word& word = of(access.address);
    if (word.saved_in == run_) return;
    word.saved_in = run_;
    saved_.push_back({access.address, access.bytes, value_at(access.address, access.bytes)});
}

void Words::undo() {
    for (std::size_t at = saved_.size(); at-- != 0;) {
        const Saved& saved = saved_[at];
        const void* const from = saved.bytes > word_bytes
                                     ? static_cast<const void*>(pages_.data() + saved.value)
                                     : &saved.value;
        std::memcpy(reinterpret_cast<void*>(saved.address), from, saved.bytes);
    }
}

bool Words::reveal() {
    const std::size_t before = visible_;
    for (Word& word : table_) {
        const unsigned users = word.readers | word.writers;
        if (word.visible || word.writers == 0 || std::popcount(users) < 2) continue;
        word.visible = true;
        ++visible_;
    }
    return visible_ != before;
}

std::uint64_t Words::changes() const {
    std::uint64_t sum = 0;
    for (const Saved& saved : saved_) {
        const std::size_t step = saved.bytes > word_bytes ? word_bytes : saved.bytes;
        for (std::size_t at = 0; at < saved.bytes; at += step) {
            const std::uintptr_t address = saved.address + at;
            const std::uint64_t value = value_at(address, step);
            if (step == saved.bytes && value == saved.value) continue;
            sum += mixed(address ^ mixed(value));
        }
    }
    return sum;
}

bool Words::written(std::uintptr_t address) { return of(address).saved_in == run_; }

} // namespace explorer
