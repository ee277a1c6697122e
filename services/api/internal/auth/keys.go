package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/quoratedb/quorate/pkg/boundedfile"
)

// keyPair is what tokens are signed and verified with. sign is nil where there is a public key alone.
type keyPair struct{ sign, verify any }

// publicKey is what crypto's public keys have in common.
type publicKey interface{ Equal(crypto.PublicKey) bool }

func loadKeys(o TokenOptions) (keyPair, error) {
	if _, secret := o.method.(*jwt.SigningMethodHMAC); secret {
		key, err := readKey(optionPrivateKey, o.privateKey)
		return keyPair{key, key}, err
	}
	var pair keyPair
	if o.privateKey != "" {
		encoded, err := readKey(optionPrivateKey, o.privateKey)
		if err != nil {
			return pair, err
		}
		private, err := parsePrivate(o.method, encoded)
		if err != nil {
			return pair, fmt.Errorf("%s=%s: %w", optionPrivateKey, o.privateKey, err)
		}
		pair = keyPair{private, private.Public()}
	}
	if o.publicKey == "" {
		return pair, nil
	}
	encoded, err := readKey(optionPublicKey, o.publicKey)
	if err != nil {
		return pair, err
	}
	public, err := parsePublic(o.method, encoded)
	if err != nil {
		return pair, fmt.Errorf("%s=%s: %w", optionPublicKey, o.publicKey, err)
	}
	if pair.sign != nil && !public.Equal(pair.verify) {
		return pair, fmt.Errorf("%s=%s is not the public key of %s=%s", optionPublicKey, o.publicKey, optionPrivateKey, o.privateKey)
	}
	pair.verify = public
	return pair, nil
}

func readKey(option, file string) ([]byte, error) {
	key, err := boundedfile.Read(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", option, err)
	}
	if len(key) == 0 {
		return nil, fmt.Errorf("%s=%s: the file is empty", option, file)
	}
	return key, nil
}

func parsePrivate(method jwt.SigningMethod, encoded []byte) (crypto.Signer, error) {
	switch m := method.(type) {
	case *jwt.SigningMethodRSA, *jwt.SigningMethodRSAPSS:
		return jwt.ParseRSAPrivateKeyFromPEM(encoded)
	case *jwt.SigningMethodECDSA:
		key, err := jwt.ParseECPrivateKeyFromPEM(encoded)
		if err != nil {
			return nil, err
		}
		return key, checkCurve(m, &key.PublicKey)
	default:
		key, err := jwt.ParseEdPrivateKeyFromPEM(encoded)
		if err != nil {
			return nil, err
		}
		signer, ok := key.(ed25519.PrivateKey)
		if !ok {
			return nil, jwt.ErrNotEdPrivateKey
		}
		return signer, nil
	}
}

// parsePublic takes a key, or a certificate of one that is valid today.
func parsePublic(method jwt.SigningMethod, encoded []byte) (publicKey, error) {
	if err := checkValidity(encoded); err != nil {
		return nil, err
	}
	switch m := method.(type) {
	case *jwt.SigningMethodRSA, *jwt.SigningMethodRSAPSS:
		return asPublic[*rsa.PublicKey](jwt.ParseRSAPublicKeyFromPEM(encoded))
	case *jwt.SigningMethodECDSA:
		key, err := jwt.ParseECPublicKeyFromPEM(encoded)
		if err != nil {
			return nil, err
		}
		return key, checkCurve(m, key)
	default:
		key, err := jwt.ParseEdPublicKeyFromPEM(encoded)
		if err != nil {
			return nil, err
		}
		public, ok := key.(ed25519.PublicKey)
		if !ok {
			return nil, jwt.ErrNotEdPublicKey
		}
		return public, nil
	}
}

func asPublic[K publicKey](key K, err error) (publicKey, error) {
	if err != nil {
		return nil, err
	}
	return key, nil
}

func checkCurve(method *jwt.SigningMethodECDSA, key *ecdsa.PublicKey) error {
	if bits := key.Curve.Params().BitSize; bits != method.CurveBits {
		return fmt.Errorf("the key has a curve of %d bits, and %s=%s wants %d", bits, optionMethod, method.Alg(), method.CurveBits)
	}
	return nil
}

func checkValidity(encoded []byte) error {
	block, _ := pem.Decode(encoded)
	if block == nil {
		return errors.New("it is not PEM")
	}
	if block.Type != "CERTIFICATE" {
		return nil
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	switch now := time.Now(); {
	case now.Before(certificate.NotBefore):
		return fmt.Errorf("the certificate is valid from %s on", certificate.NotBefore)
	case now.After(certificate.NotAfter):
		return fmt.Errorf("the certificate has expired at %s", certificate.NotAfter)
	}
	return nil
}
