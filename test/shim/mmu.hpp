// SPDX-License-Identifier: MIT
// The MMUs of the modelled CPUs: the walker of walker.hpp behind caches that forget nothing until
// they are told to. A CPU's cache is its own: CPUs may be host threads. Whatever a real TLB or
// paging-structure cache might still hold, these do hold (SDM vol. 3A, 4.10), so a forgotten flush
// shows at once.
#pragma once

#include "shim/walker.hpp"

#include <compare>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace shim {

/// Addresses [start, end).
struct AddressRange {
    std::uint64_t start;
    std::uint64_t end;
};

/// An access to an address that is not canonical: #GP, not #PF.
struct GeneralProtection {};

/// The physical address, or how the access ended otherwise.
using Outcome = std::variant<std::uint64_t, PageFault, GeneralProtection>;

class Mmu {
public:
    Mmu(Processor processor, Memory memory, unsigned cpus);

    /// Writes CR3 (CR4.PCIDE = 0): another root takes the CPU's non-global translations away.
    void load_root(unsigned cpu, std::uint64_t root);
    std::uint64_t root(unsigned cpu) const { return cpus_[cpu].root; }

    /// An access by an instruction on this CPU. Sets accessed and dirty flags.
    Outcome access(unsigned cpu, const Request& request);
    /// Reads ahead, as a processor may at any time: caches every translation below the loaded root.
    void prefetch(unsigned cpu);

    /// Which cached things go. What is still in the tables is read ahead again at once.
    struct Flush {
        std::uint64_t root; ///< of these translations; 0: of all roots, and global ones
        std::vector<AddressRange> ranges;
        bool everything; ///< all addresses
        bool tables;     ///< cached table references too
    };
    void flush(const Flush& flush);
    /// The same in one CPU.
    void flush(unsigned cpu, const Flush& flush);
    /// Called for each thing that a flush is about to drop: [frame, frame + bytes) was still
    /// cached until now, so it must not be free yet.
    std::function<void(std::uint64_t frame, std::uint64_t bytes, bool table)> on_drop;

    /// Called when a page size did not go through absent and a flush: by then an address may have
    /// translations of both sizes (4.10.2.3). `how`: what was missing, in words.
    std::function<void(std::uint64_t page, const char* how)> on_two_sizes;

    /// What stands in caches under `root` (and global translations) but no longer in the tables:
    /// one line of text each.
    std::vector<std::string> stale(std::uint64_t root) const {
        return stale(root, {0, ~std::uint64_t{0}});
    }
    /// Of that, what concerns addresses of the range.
    std::vector<std::string> stale(std::uint64_t root, AddressRange range) const;
    /// The same frames and tables, for checks of what they are used for: f(frame, bytes, table).
    template <typename Function>
    void for_each_cached(Function function) const;

    /// A walk from a root that leaves no trace.
    Walk look(std::uint64_t root, std::uint64_t address) const;

    const Processor& processor() const { return processor_; }

    /// What the CPUs have loaded and cached, to be put back later.
    class Caches;
    Caches caches() const;
    void put_back(const Caches& caches);

    struct Counts {
        std::uint64_t walks = 0;
        std::uint64_t hits = 0;
        std::uint64_t faults = 0;
        std::uint64_t flushes = 0;
    };
    Counts counts() const;

private:
    struct PageKey {
        std::uint64_t root; ///< 0: global
        unsigned shift;
        std::uint64_t page;
        auto operator<=>(const PageKey&) const = default;
    };
    struct TableKey {
        std::uint64_t root;
        unsigned level; ///< of the entry that refers to the table
        std::uint64_t prefix;
        auto operator<=>(const TableKey&) const = default;
    };
    struct Cpu {
        std::uint64_t root = 0;
        Counts counts{};
        std::map<PageKey, Translation> translations;
        std::map<TableKey, TableReference> tables;
    };

    const Translation* find(const Cpu& cpu, std::uint64_t address) const;
    PageFault fault(Cpu& cpu, const Request& request, bool translated, bool reserved);
    Walk walk_cached(Cpu& cpu, std::uint64_t address);
    void keep(Cpu& cpu, const Walk& walk, std::uint64_t address);
    void read_ahead(Cpu& cpu, std::uint64_t address);
    void drop(Cpu& cpu, const Flush& flush, std::vector<std::uint64_t>& pages) const;
    void prefetch_table(Cpu& cpu, std::uint64_t table, unsigned level, std::uint64_t base);
    /// Whether another page size than that is cached for some of these addresses.
    static bool cached_otherwise(const Cpu& cpu, std::uint64_t root,
                                 const Translation& translation);
    void check_size(const Cpu& cpu, const Translation& translation) const;
    void dropped(std::uint64_t frame, std::uint64_t bytes, bool table) const;
    bool still_there(std::uint64_t root, const Translation& translation, std::string& why) const;
    bool still_there(const TableKey& key, const TableReference& reference, std::string& why) const;

    Processor processor_;
    Memory memory_;
    std::vector<Cpu> cpus_;
    std::uint64_t flushes_ = 0;
};

class Mmu::Caches {
    friend class Mmu;
    std::vector<Cpu> cpus_;
};
inline Mmu::Caches Mmu::caches() const {
    Caches kept;
    kept.cpus_ = cpus_;
    return kept;
}
inline void Mmu::put_back(const Caches& caches) { cpus_ = caches.cpus_; }

template <typename Function>
void Mmu::for_each_cached(Function function) const {
    for (const Cpu& cpu : cpus_) {
        for (const auto& [key, translation] : cpu.translations)
            function(translation.frame, 1ULL << translation.shift, false);
        for (const auto& [key, reference] : cpu.tables) function(reference.table, 4096ULL, true);
    }
}

} // namespace shim
