// SPDX-License-Identifier: MIT
// Operations that CPUs do to a space, and to a child that it was forked into, all around the border
// of two page tables:
//
//   page         -4    -3    -2    -1  │   0     1     2     3       ... large
//               hole  lazy   own   own │  own   own   lazy  hole      one lazy entry of 2 MiB
//                      left table      │       right table
#pragma once

#include "explorer/explorer.hpp"
#include "vm/object.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace explorer {

inline constexpr VirtAddr left_table{0x4000'0000};
inline constexpr VirtAddr right_table{0x4020'0000};
inline constexpr VirtAddr large_entry{0x4040'0000};
inline constexpr VirtAddr beyond{0x4060'0000};

constexpr VirtAddr page_at(int page) {
    return page < 0 ? right_table - static_cast<std::uint64_t>(-page) * page_size
                    : right_table + static_cast<std::uint64_t>(page) * page_size;
}
constexpr VirtRange pages_at(int first, int end) { return {page_at(first), page_at(end)}; }
inline constexpr int first_page = -4;
inline constexpr int end_page = 4;
inline constexpr VirtRange left_whole{left_table, right_table};
inline constexpr VirtRange right_whole{right_table, large_entry};
inline constexpr VirtRange large_whole{large_entry, beyond};
/// Where a start has more pages.
inline constexpr VirtRange more_pages{right_table + 16 * page_size, right_table + 36 * page_size};
inline constexpr VirtRange large_page{large_entry + 8 * page_size, large_entry + 9 * page_size};
/// One entry of 2 MiB each, of starts with an object: its pages, and more than it has, to be read;
/// and the same for the space alone.
inline constexpr VirtRange file_whole{beyond, beyond + vm::level_size(2)};
inline constexpr VirtRange own_whole{file_whole.end, file_whole.end + vm::level_size(2)};
constexpr VirtRange page_of(VirtRange whole, unsigned page) {
    return {whole.start + page * page_size, whole.start + (page + 1) * page_size};
}

enum class Kind : std::uint8_t {
    map,       ///< what must be a hole
    map_over,  ///< whatever is there
    first_fit, ///< one page above the range's start
    unmap,
    protect,
    discard,
    populate,
    grow, ///< upwards into the range
    write,
    read,
    query,
    enter,   ///< begins to run the space, after having left it
    visit,   ///< reads tables of a space that it does not run
    renew,   ///< ends another space, and makes one
    search,  ///< for so many free pages within the range
    fork,    ///< into a space of the CPU's own
    move,    ///< to another place
    give,    ///< moves to another place in the other space
    hand,    ///< moves to another place in the child
    take,    ///< moves from the other space to another place
    end,     ///< ends the child, which nobody runs
    evict,   ///< a page of the object
    shrink,  ///< the object to so many pages
    collect, ///< which of its pages were written
    supply,  ///< the pager's answer for a page
};

/// What there is when operations begin.
enum class Start : std::uint8_t {
    full,    ///< the map of the picture
    sparse,  ///< page 0 and the large entry only, and so many idle tables that the next one is
             ///< folded
    objects, ///< an object's two pages, private at -2 and shared at 0, all of them read; and as
             ///< parts of large entries, not touched
    grafted, ///< the same, and it is read through the object's table
    forked, ///< the map of the picture with more pages in the right table, and a child made from it
};

struct Operation {
    std::string_view name;
    Kind kind;
    VirtRange range;
    vm::Access access = vm::Access::read_write();
    std::uint64_t pages = 1;
    VirtAddr to{};         ///< where it goes
    bool in_child = false; ///< the CPU runs the child, and does it there
};

/// By name. Throws ModelError if there is none.
const Operation& operation(std::string_view name);
const std::vector<Operation>& all_operations();
/// Those that concern several spaces, or two places of one.
const std::vector<Operation>& operations_of_two();

/// Those on an object.
const std::vector<Operation>& operations_on_objects();
/// Pages of the object; the last one is mapped in the large entries only.
inline constexpr std::uint64_t object_pages = 3;
inline constexpr std::uint64_t mapped_pages = 2;

/// Builds the map of a start in an empty space, which all CPUs run. `object`: of that start.
void build(shim::Machine& machine, vm::AddressSpace& space, unsigned cpus, Start start,
           vm::MemoryObject* object);

/// Addresses that first_fit gave, by CPU.
using Fits = std::array<VirtAddr, cpu_most>;

/// Where operations run, one of each CPU.
struct Place {
    Explorer& explorer;
    shim::Machine& machine;
    vm::AddressSpace& space;
    vm::AddressSpace& other;                        ///< that nobody runs
    vm::AddressSpace& child;                        ///< that `space` was forked into; or not made
    std::array<vm::AddressSpace, cpu_most>& copies; ///< by fork, of each CPU
    vm::MemoryObject* object;                       ///< of the start that has one
    /// Where first_fit of each CPU maps, when operations are done one at a time; 0: where it finds
    /// a hole.
    Fits fits{};
    Fits fitted{}; ///< where it did
    /// Rights of each page that a query told, as digits: of each page what was so at some time.
    std::string told{};
    std::array<bool, cpu_most> copied{};
    bool child_lives = false;
    /// Whether what takes pages out of the object is refused, when operations are done one at a
    /// time: since others take some out, or since somebody has the page in hand.
    enum class Refusal : std::uint8_t { none, at_once, in_hand };
    std::array<Refusal, cpu_most> refusals{};
};
/// Does it on the CPU that runs. What came of it, as text.
std::string perform(Place& place, const Operation& operation);

/// Runs, contents and charge of a space, without what may differ: which tables there are.
std::string outcome_of(const vm::AddressSpace& space);

} // namespace explorer
