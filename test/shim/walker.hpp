// SPDX-License-Identifier: MIT
// The processor's walk over paging structures, written from the Intel SDM, vol. 3A, chapter 4, and
// from nothing else: it shares no constant with the map that it judges.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>

namespace shim {

/// The model itself was led astray: a walk left memory, or a check of the model failed.
struct ModelError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// What the control registers and CPUID of the modelled processor say.
struct Processor {
    unsigned levels = 4;         ///< CR4.LA57
    unsigned physical_bits = 40; ///< MAXPHYADDR
    bool gib_pages = true;       ///< CPUID.80000001H:EDX.Page1GB
    bool no_execute = true;      ///< IA32_EFER.NXE
    bool write_protect = true;   ///< CR0.WP
    bool smep = true;            ///< CR4.SMEP
    bool smap = true;            ///< CR4.SMAP
    bool global_pages = true;    ///< CR4.PGE
};

// Bits of paging-structure entries (tables 4-15 to 4-20).
namespace bits {
inline constexpr std::uint64_t present = 1;
inline constexpr std::uint64_t read_write = 2;
inline constexpr std::uint64_t user_supervisor = 4;
inline constexpr std::uint64_t write_through = 8;
inline constexpr std::uint64_t cache_disable = 16;
inline constexpr std::uint64_t accessed = 32;
inline constexpr std::uint64_t dirty = 64;
inline constexpr std::uint64_t page_size = 128;
inline constexpr std::uint64_t global = 256;
inline constexpr std::uint64_t execute_disable = 0x8000000000000000;
} // namespace bits

// Bits of a page fault's error code (4.7).
namespace fault_code {
inline constexpr std::uint32_t protection = 1;
inline constexpr std::uint32_t write = 2;
inline constexpr std::uint32_t user = 4;
inline constexpr std::uint32_t reserved_bit = 8;
inline constexpr std::uint32_t fetch = 16;
} // namespace fault_code

enum class Operation : std::uint8_t { read, write, execute };

/// One access by an instruction.
struct Request {
    std::uint64_t address;
    Operation operation;
    bool user;                    ///< CPL 3
    bool alignment_check = false; ///< EFLAGS.AC: supervisor may touch user pages under SMAP
};

/// Rights, combined over all entries of a walk so far (4.6).
struct Rights {
    bool writable = true;
    bool user = true;
    bool executable = true;
    bool covers(Rights other) const {
        return (writable || !other.writable) && (user || !other.user) &&
               (executable || !other.executable);
    }
    bool operator==(const Rights&) const = default;
};

/// A table, and the rights that the way to it leaves. What a paging-structure cache keeps.
struct TableReference {
    std::uint64_t table;
    Rights rights{};
    bool operator==(const TableReference&) const = default;
};

/// What a TLB keeps.
struct Translation {
    std::uint64_t page;  ///< first address
    std::uint64_t frame; ///< physical address of the first byte
    unsigned shift;      ///< 12, 21 or 30
    Rights rights;
    bool global;
    bool dirty;
    std::uint64_t physical(std::uint64_t address) const { return frame + (address - page); }
};

struct PageFault {
    std::uint64_t address;
    std::uint32_t code;
};

/// The 64-bit word at a physical address. Throws ModelError where there is no memory.
using Memory = std::function<std::uint64_t*(std::uint64_t physical)>;

/// How a walk went.
struct Walk {
    std::optional<Translation> translation; ///< none: not present, or a reserved bit
    bool reserved = false;                  ///< a reserved bit was set
    unsigned level = 0;                     ///< of the entry that ended the walk
    std::uint64_t entry = 0;                ///< that entry
    std::uint64_t entry_address = 0;
    /// Index n: what the entry at level n refers to; levels 2 to 5, as far as walked.
    std::array<std::optional<TableReference>, 6> references{};
};

/// What a walk may write.
enum class Flags : std::uint8_t {
    none,     ///< nothing: a look from outside
    accessed, ///< accessed flags of the tables on the way
};

/// Shift of the addresses that one entry at `level` maps (4.2: 9 bits a level).
unsigned entry_shift(unsigned level);
/// Whether an address is canonical (3.3.7.1).
bool canonical(const Processor& processor, std::uint64_t address);
/// Reserved bits of a present entry at `level` (tables 4-15 to 4-20).
std::uint64_t reserved_bits(const Processor& processor, unsigned level, std::uint64_t entry);

/// Walks from `start`, a table at `level`, to the translation of `address`.
Walk walk(const Processor& processor, const Memory& memory, TableReference start, unsigned level,
          std::uint64_t address, Flags flags);
/// Whether an access is allowed by the rights of its translation (4.6.1).
bool allowed(const Processor& processor, const Request& request, Rights rights);
/// The error code of the fault that a request takes (4.7).
std::uint32_t error_code(const Processor& processor, const Request& request, bool translated,
                         bool reserved);
/// Sets flags in an entry, if it still holds `expected` beside accessed and dirty. Locked.
bool set_flags(const Memory& memory, std::uint64_t entry_address, std::uint64_t expected,
               std::uint64_t flags);

} // namespace shim
