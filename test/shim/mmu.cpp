// SPDX-License-Identifier: MIT
// The MMUs of the modelled CPUs, with caches that forget nothing by themselves.
#include "shim/mmu.hpp"

#include <algorithm>
#include <cstdio>

namespace shim {

namespace {

std::string hexadecimal(std::uint64_t value) {
    char text[17];
    std::snprintf(text, sizeof text, "%llx", static_cast<unsigned long long>(value));
    return text;
}

std::string words(Rights rights) {
    return std::string(rights.user ? "user " : "supervisor ") + "r" +
           (rights.writable ? "w" : "-") + (rights.executable ? "x" : "-");
}

/// Whether [first, first + 2^shift) meets a range; all does when `everything`.
bool concerned(const Mmu::Flush& flush, std::uint64_t first, unsigned shift) {
    const std::uint64_t last = first + ((1ULL << shift) - 1);
    return flush.everything || std::ranges::any_of(flush.ranges, [&](const AddressRange& range) {
               return range.start < range.end && first < range.end && range.start <= last;
           });
}

/// Sign-extends from the highest bit that a walk of `levels` translates.
std::uint64_t make_canonical(unsigned levels, std::uint64_t address) {
    const unsigned width = levels == 5 ? 57 : 48;
    return (address >> (width - 1) & 1) != 0 ? address | (~0ULL << width) : address;
}

} // namespace

Mmu::Mmu(Processor processor, Memory memory, unsigned cpus)
    : processor_(processor), memory_(std::move(memory)), cpus_(cpus) {}

void Mmu::load_root(unsigned cpu, std::uint64_t root) {
    Cpu& state = cpus_[cpu];
    if (state.root == root) return;
    std::erase_if(state.translations, [](const auto& item) { return item.first.root != 0; });
    state.tables.clear();
    state.root = root;
}

Outcome Mmu::access(unsigned cpu, const Request& request) {
    if (!canonical(processor_, request.address)) return GeneralProtection{};
    Cpu& state = cpus_[cpu];
    for (;;) {
        if (const Translation* hit = find(state, request.address)) {
            if (!allowed(processor_, request, hit->rights))
                return fault(state, request, true, false);
            if (request.operation != Operation::write || hit->dirty) {
                ++state.counts.hits;
                return hit->physical(request.address);
            }
        }
        // 4.8: a write through a translation that is cached as clean walks again, for the flag.
        const Walk walk = walk_cached(state, request.address);
        if (!walk.translation) return fault(state, request, false, walk.reserved);
        if (!allowed(processor_, request, walk.translation->rights))
            return fault(state, request, true, false);
        const bool write = request.operation == Operation::write;
        if (!set_flags(memory_, walk.entry_address, walk.entry,
                       bits::accessed | (write ? bits::dirty : 0)))
            continue; // the entry changed under the walk
        Walk kept = walk;
        kept.translation->dirty |= write;
        keep(state, kept, request.address);
        return kept.translation->physical(request.address);
    }
}

/// The deepest cached table reference is where a walk may begin (4.10.3).
Walk Mmu::walk_cached(Cpu& cpu, std::uint64_t address) {
    ++cpu.counts.walks;
    TableReference start{cpu.root};
    unsigned level = processor_.levels;
    for (unsigned above = 2; above <= processor_.levels; ++above) {
        const auto cached = cpu.tables.find({cpu.root, above, address >> entry_shift(above)});
        if (cached == cpu.tables.end()) continue;
        start = cached->second;
        level = above - 1;
        break;
    }
    const Walk result = walk(processor_, memory_, start, level, address, Flags::accessed);
    for (unsigned at = 2; at <= processor_.levels; ++at) {
        if (result.references[at])
            cpu.tables[{cpu.root, at, address >> entry_shift(at)}] = *result.references[at];
    }
    return result;
}

void Mmu::keep(Cpu& cpu, const Walk& walk, std::uint64_t address) {
    const Translation& translation = *walk.translation;
    const std::uint64_t page = address >> translation.shift << translation.shift;
    const std::uint64_t root = translation.global ? 0 : cpu.root;
    if (on_two_sizes && cached_otherwise(cpu, root, translation))
        on_two_sizes(page, "while the other one was cached");
    cpu.translations[{root, translation.shift, page}] = translation;
}

bool Mmu::cached_otherwise(const Cpu& cpu, std::uint64_t root, const Translation& translation) {
    const std::uint64_t last = translation.page + ((1ULL << translation.shift) - 1);
    for (const unsigned shift : {12U, 21U, 30U}) {
        if (shift == translation.shift) continue;
        const auto first =
            cpu.translations.lower_bound({root, shift, translation.page >> shift << shift});
        if (first != cpu.translations.end() && first->first.root == root &&
            first->first.shift == shift && first->first.page <= last)
            return true;
    }
    return false;
}

/// What a flush drops must not be present in another size by now: then it never was absent.
void Mmu::check_size(const Cpu& cpu, const Translation& translation) const {
    if (!on_two_sizes || cpu.root == 0) return;
    const Walk now = look(cpu.root, translation.page);
    if (now.translation && now.translation->shift != translation.shift)
        on_two_sizes(translation.page, "without being absent");
}

const Translation* Mmu::find(const Cpu& cpu, std::uint64_t address) const {
    for (const unsigned shift : {12U, 21U, 30U}) {
        for (const std::uint64_t root : {cpu.root, std::uint64_t{0}}) {
            const auto found = cpu.translations.find({root, shift, address >> shift << shift});
            if (found != cpu.translations.end()) return &found->second;
        }
    }
    return nullptr;
}

/// A page fault takes what is cached for its address away, in this CPU (4.10.4.1).
PageFault Mmu::fault(Cpu& cpu, const Request& request, bool translated, bool reserved) {
    ++cpu.counts.faults;
    for (const unsigned shift : {12U, 21U, 30U}) {
        for (const std::uint64_t root : {cpu.root, std::uint64_t{0}})
            cpu.translations.erase({root, shift, request.address >> shift << shift});
    }
    for (unsigned level = 2; level <= processor_.levels; ++level)
        cpu.tables.erase({cpu.root, level, request.address >> entry_shift(level)});
    return {request.address, error_code(processor_, request, translated, reserved)};
}

void Mmu::prefetch(unsigned cpu) {
    prefetch_table(cpus_[cpu], cpus_[cpu].root, processor_.levels, 0);
}

void Mmu::prefetch_table(Cpu& cpu, std::uint64_t table, unsigned level, std::uint64_t base) {
    for (std::uint64_t index = 0; index < 512; ++index) {
        const std::uint64_t entry = *memory_(table + 8 * index);
        if ((entry & bits::present) == 0) continue;
        const std::uint64_t address =
            make_canonical(processor_.levels, base + (index << entry_shift(level)));
        const Walk way = look(cpu.root, address);
        if (way.level < level) {
            static_cast<void>(walk_cached(cpu, address)); // the references on the way
            prefetch_table(cpu, way.references[level]->table, level - 1, address);
        } else if (way.level == level && way.translation && find(cpu, address) == nullptr) {
            read_ahead(cpu, address);
        }
    }
}

void Mmu::read_ahead(Cpu& cpu, std::uint64_t address) {
    const Walk leaf = walk_cached(cpu, address);
    if (leaf.translation && set_flags(memory_, leaf.entry_address, leaf.entry, bits::accessed))
        keep(cpu, leaf, address);
}

void Mmu::dropped(std::uint64_t frame, std::uint64_t bytes, bool table) const {
    if (on_drop) on_drop(frame, bytes, table);
}

void Mmu::flush(const Flush& flush) {
    ++flushes_;
    for (unsigned cpu = 0; cpu < cpus_.size(); ++cpu) this->flush(cpu, flush);
}

void Mmu::flush(unsigned number, const Flush& flush) {
    Cpu& cpu = cpus_[number];
    std::vector<std::uint64_t> pages;
    drop(cpu, flush, pages);
    // Nothing keeps a processor from reading at once what is still there.
    for (const std::uint64_t page : pages) read_ahead(cpu, page);
}

void Mmu::drop(Cpu& cpu, const Flush& flush, std::vector<std::uint64_t>& pages) const {
    std::erase_if(cpu.translations, [&](const auto& item) {
        const auto& [key, translation] = item;
        const bool goes =
            (flush.root == 0 || key.root == flush.root) && concerned(flush, key.page, key.shift);
        if (goes) dropped(translation.frame, 1ULL << translation.shift, false);
        if (goes) check_size(cpu, translation);
        if (goes && cpu.root != 0) pages.push_back(translation.page);
        return goes;
    });
    if (!flush.tables) return;
    std::erase_if(cpu.tables, [&](const auto& item) {
        const auto& [key, reference] = item;
        const unsigned shift = entry_shift(key.level);
        const bool goes = (flush.root == 0 || key.root == flush.root) &&
                          concerned(flush, key.prefix << shift, shift);
        if (goes) dropped(reference.table, 4096, true);
        return goes;
    });
}

Mmu::Counts Mmu::counts() const {
    Counts sum{.flushes = flushes_};
    for (const Cpu& cpu : cpus_) {
        sum.walks += cpu.counts.walks;
        sum.hits += cpu.counts.hits;
        sum.faults += cpu.counts.faults;
    }
    return sum;
}

Walk Mmu::look(std::uint64_t root, std::uint64_t address) const {
    return walk(processor_, memory_, TableReference{root}, processor_.levels, address, Flags::none);
}

bool Mmu::still_there(std::uint64_t root, const Translation& translation, std::string& why) const {
    const Walk fresh = look(root, translation.page);
    why = "translation of " + hexadecimal(translation.page) + " to frame " +
          hexadecimal(translation.frame) + " " + words(translation.rights);
    if (!fresh.translation) {
        why += ", but the entry says " + hexadecimal(fresh.entry);
        return false;
    }
    // Even where nothing else differs: the next walk brings the other size.
    if (fresh.translation->shift == translation.shift &&
        fresh.translation->frame == translation.frame &&
        fresh.translation->rights.covers(translation.rights))
        return true;
    why += ", but the entry says " + hexadecimal(fresh.entry);
    return false;
}

bool Mmu::still_there(const TableKey& key, const TableReference& reference,
                      std::string& why) const {
    const std::uint64_t address =
        make_canonical(processor_.levels, key.prefix << entry_shift(key.level));
    const Walk fresh = look(key.root, address);
    const auto& now = fresh.references[key.level];
    if (now && now->table == reference.table && now->rights.covers(reference.rights)) return true;
    why = "level " + std::to_string(key.level) + " reference at " + hexadecimal(address) +
          " to table " + hexadecimal(reference.table) + " " + words(reference.rights) +
          (now ? ", now to " + hexadecimal(now->table) + " " + words(now->rights) : ", now none");
    return false;
}

std::vector<std::string> Mmu::stale(std::uint64_t root, AddressRange range) const {
    const Flush place{.root = root, .ranges = {range}, .everything = false, .tables = true};
    std::vector<std::string> found;
    std::string why;
    for (std::size_t index = 0; index < cpus_.size(); ++index) {
        const Cpu& cpu = cpus_[index];
        const auto note = [&] { found.push_back("CPU " + std::to_string(index) + ": " + why); };
        for (const auto& [key, translation] : cpu.translations) {
            if ((key.root == root || key.root == 0) && concerned(place, key.page, key.shift) &&
                !still_there(root, translation, why))
                note();
        }
        for (const auto& [key, reference] : cpu.tables) {
            const unsigned shift = entry_shift(key.level);
            if (key.root == root && concerned(place, key.prefix << shift, shift) &&
                !still_there(key, reference, why))
                note();
        }
    }
    return found;
}

} // namespace shim
