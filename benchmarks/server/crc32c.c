/* CRC-32C (Castagnoli, RFC 3720 appendix B.4), by the processor's own instruction where it has one.

   The instruction takes three cycles and can start every cycle, so three stretches are summed side
   by side and then combined: appending n zero bytes to a message is a linear map of its CRC. */

#include <string.h>

#include "server.h"

#define POLYNOMIAL 0x82f63b78u
#define STRETCH 4096

static uint32_t table[8][256];
static uint32_t zeros_table[2][4][256]; /* STRETCH and 2 * STRETCH zero bytes appended */

static uint32_t multiply(uint32_t a, uint32_t b) { /* of polynomials modulo ours, bits reflected */
    uint32_t product = 0;
    for (uint32_t bit = 1u << 31; bit; bit >>= 1) {
        if (a & bit) product ^= b;
        b = b & 1 ? b >> 1 ^ POLYNOMIAL : b >> 1;
    }
    return product;
}

static uint32_t power_of_x(uint64_t bytes) { /* x to the power of 8 * bytes */
    uint32_t square = 1u << 23, result = 1u << 31;
    for (; bytes; bytes >>= 1) {
        if (bytes & 1) result = multiply(result, square);
        square = multiply(square, square);
    }
    return result;
}

uint32_t crc32c_combine(uint32_t first, uint32_t second, uint64_t second_size) {
    return multiply(power_of_x(second_size), first) ^ second;
}

__attribute__((constructor)) static void make_tables(void) {
    for (uint32_t n = 0; n < 256; n++) {
        uint32_t crc = n;
        for (int k = 0; k < 8; k++) crc = crc & 1 ? crc >> 1 ^ POLYNOMIAL : crc >> 1;
        table[0][n] = crc;
    }
    for (uint32_t n = 0; n < 256; n++)
        for (int k = 1; k < 8; k++)
            table[k][n] = table[0][table[k - 1][n] & 255] ^ table[k - 1][n] >> 8;
    for (int which = 0; which < 2; which++) {
        uint32_t power = power_of_x((uint64_t)STRETCH * (uint64_t)(which + 1));
        for (int byte = 0; byte < 4; byte++)
            for (uint32_t n = 0; n < 256; n++)
                zeros_table[which][byte][n] = multiply(power, n << (8 * byte));
    }
}

static uint32_t by_table(uint32_t crc, const unsigned char *data, size_t size) {
    for (; size >= 8; data += 8, size -= 8) {
        uint64_t word;
        memcpy(&word, data, 8);
        word ^= crc;
        crc = table[7][word & 255] ^ table[6][word >> 8 & 255] ^ table[5][word >> 16 & 255] ^
              table[4][word >> 24 & 255] ^ table[3][word >> 32 & 255] ^
              table[2][word >> 40 & 255] ^ table[1][word >> 48 & 255] ^ table[0][word >> 56];
    }
    while (size--) crc = table[0][(crc ^ *data++) & 255] ^ crc >> 8;
    return crc;
}

#if defined(__x86_64__)
static uint32_t append_zeros(uint32_t crc, int which) {
    return zeros_table[which][0][crc & 255] ^ zeros_table[which][1][crc >> 8 & 255] ^
           zeros_table[which][2][crc >> 16 & 255] ^ zeros_table[which][3][crc >> 24];
}

__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc,
                                                                 const unsigned char *data,
                                                                 size_t size) {
    uint64_t a = crc, word;
    while (size >= 3 * STRETCH) {
        uint64_t b = 0, c = 0;
        for (size_t i = 0; i < STRETCH; i += 8) {
            memcpy(&word, data + i, 8);
            a = __builtin_ia32_crc32di(a, word);
            memcpy(&word, data + STRETCH + i, 8);
            b = __builtin_ia32_crc32di(b, word);
            memcpy(&word, data + 2 * STRETCH + i, 8);
            c = __builtin_ia32_crc32di(c, word);
        }
        a = append_zeros((uint32_t)a, 1) ^ append_zeros((uint32_t)b, 0) ^ c;
        data += 3 * STRETCH, size -= 3 * STRETCH;
    }
    for (; size >= 8; data += 8, size -= 8) {
        memcpy(&word, data, 8);
        a = __builtin_ia32_crc32di(a, word);
    }
    crc = (uint32_t)a;
    while (size--) crc = __builtin_ia32_crc32qi(crc, *data++);
    return crc;
}
#endif

uint32_t crc32c(uint32_t crc, const void *data, size_t size) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) return ~by_instruction(~crc, data, size);
#endif
    return ~by_table(~crc, data, size);
}

void crc32c_text(uint32_t crc, char into[9]) {
    unsigned char bytes[4] = {(unsigned char)(crc >> 24), (unsigned char)(crc >> 16),
                              (unsigned char)(crc >> 8), (unsigned char)crc};
    base64(into, bytes, 4);
}
