// SPDX-License-Identifier: MIT
// UTF-8 over text that is all there.
#include "lib/utf8.hpp"

namespace lib {

char32_t take_code_point(std::string_view& text) {
    Utf8Decoder decoder;
    std::size_t used = 0;
    while (used < text.size()) {
        const Utf8Decoder::Step step = decoder.push(static_cast<unsigned char>(text[used]));
        // With two code points the byte at `used` begins the next character.
        if (step.count != 2 && !(step.count == 1 && used > 0 && decoder.inside())) ++used;
        if (step.count != 0) {
            text.remove_prefix(used);
            return step.code_points[0];
        }
    }
    text.remove_prefix(used);
    return replacement_character;
}

std::size_t count_code_points(std::string_view text) {
    std::size_t count = 0;
    while (!text.empty()) {
        static_cast<void>(take_code_point(text));
        ++count;
    }
    return count;
}

} // namespace lib
