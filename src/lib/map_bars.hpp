// SPDX-License-Identifier: MIT
// A picture of an address space, on paper or on a screen: bars of 512 cells, one for each table
// that says something, each cell what most of one of its entries is.
//
//   level 4   ▏    ██▉      ▏   a cell is 512 GiB
//   level 3   ▏██▒▒▒▒▒▒▒▒▒▒▒▏   a cell is 1 GiB: the bar of a cell above
//   level 2   ▏█▏░░█▉  ▒▒   ▏   a cell is 2 MiB
#pragma once

#include "abi/types.hpp"
#include "lib/address.hpp"

#include <array>
#include <cstdint>

namespace lib {

/// What a cell can be: a hole, or a state; memory that is promised but may not be accessed looks
/// different from other lazy memory.
enum class MapColour : std::uint8_t {
    hole,
    present,
    lazy,
    reserved,
    shared,
    file,
    callback,
    parked,
    count
};

/// Red, green and blue, a byte each.
struct MapColourLook {
    const char* name;
    std::uint32_t on_paper;
    std::uint32_t on_screen; ///< which is dark
};
inline constexpr MapColourLook map_colour_looks[] = {
    {"hole", 0xf2f2f2, 0x262626},     {"present", 0xc0392b, 0xe74c3c}, {"lazy", 0xf5b041, 0xf5b041},
    {"reserved", 0xd5d8dc, 0x6c7074}, {"shared", 0x8e44ad, 0xa55cd0},  {"file", 0x2e86c1, 0x3a9ad9},
    {"callback", 0x1c2833, 0xf4f6f7}, {"parked", 0x7e5109, 0x8d6e3f},
};
static_assert(std::size(map_colour_looks) == static_cast<unsigned>(MapColour::count));

constexpr MapColour colour_of(const abi::Run& run) {
    switch (run.state) {
    case abi::State::empty: return MapColour::hole;
    case abi::State::present: return MapColour::present;
    case abi::State::lazy:
        return run.access == abi::access_none ? MapColour::reserved : MapColour::lazy;
    case abi::State::shared: return MapColour::shared;
    case abi::State::file: return MapColour::file;
    case abi::State::callback: return MapColour::callback;
    case abi::State::parked: return MapColour::parked;
    }
    return MapColour::hole;
}

/// One bar: what a table would say.
struct MapBar {
    static constexpr unsigned cells = 512;
    std::uint64_t base = 0; ///< address of the first cell
    std::array<MapColour, cells> colours{};
};

/// Makes the bars of one level out of runs in rising order. Nothing is allocated: a bar is handed
/// out when it is whole.
class MapBars {
public:
    /// `level`: whose entries the cells are, as the SDM counts: 2 for 2 MiB.
    explicit MapBars(unsigned level) : shift_(page_bits + 9 * (level - 1)) {}

    /// Takes a run, which is not empty; one that ends at 0 ends with the last address. Calls
    /// emit(MapBar) for each bar that is whole by now. A bar of one colour is left out: the
    /// level above shows it as well.
    template <typename Emit>
    void add(const abi::Run& run, Emit emit) {
        const MapColour colour = colour_of(run);
        std::uint64_t at = run.start;
        do {
            const std::uint64_t base = at >> bar_shift() << bar_shift();
            if (base != bar_.base) finish(emit);
            bar_.base = base;
            const std::uint64_t stop = sooner(run.end, base + (std::uint64_t{1} << bar_shift()));
            fill(at, stop, colour);
            at = stop;
        } while (at != run.end);
    }
    template <typename Emit>
    void finish(Emit emit) {
        take_cell();
        bool uniform = true;
        for (const MapColour colour : bar_.colours) uniform &= colour == bar_.colours[0];
        if (!uniform) emit(bar_);
        bar_ = {};
        cell_ = 0;
    }

private:
    unsigned bar_shift() const { return shift_ + 9; }
    std::uint64_t cell_bytes() const { return std::uint64_t{1} << shift_; }
    /// Of two ends, of which 0 is that of all addresses.
    static constexpr std::uint64_t sooner(std::uint64_t a, std::uint64_t b) {
        return a - 1 < b - 1 ? a : b;
    }
    /// A range within the bar.
    void fill(std::uint64_t start, std::uint64_t end, MapColour colour) {
        do {
            const auto cell = static_cast<unsigned>((start - bar_.base) >> shift_);
            if (cell != cell_) take_cell();
            cell_ = cell;
            const std::uint64_t stop =
                sooner(end, bar_.base + (std::uint64_t{cell} + 1) * cell_bytes());
            bytes_[static_cast<unsigned>(colour)] += stop - start;
            start = stop;
        } while (start != end);
    }
    /// The cell that runs were added to gets the colour that most of what is mapped in it has: a
    /// hole only if nothing is.
    void take_cell() {
        unsigned most = 0;
        for (unsigned colour = 1; colour < bytes_.size(); ++colour)
            if (bytes_[colour] > bytes_[most] || (most == 0 && bytes_[colour] != 0)) most = colour;
        if (bytes_[most] != 0) bar_.colours[cell_] = static_cast<MapColour>(most);
        bytes_ = {};
    }

    unsigned shift_;
    MapBar bar_{};
    unsigned cell_ = 0;
    std::array<std::uint64_t, static_cast<unsigned>(MapColour::count)> bytes_{};
};

} // namespace lib
